/** A changed config is taken over while chats go on: whole or not at all, and nobody's turn is cut. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { parseConfig } from "../../src/config.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/model.ts";
import { answerOf, type Rig, startRig } from "../support/rig.ts";

const reload = (rig: Rig, text: string) =>
  rig.switchboard.reload(() =>
    parseConfig(`processes.resume_recent = 0\nprocesses.spares = 0\n${text}`, "f.toml"),
  );

test("a tier's new model waits for the end of the turn; whoever only has another budget keeps the process", async (t) => {
  const rig = await startRig(t, { config: "tiers.family.model = 'sonnet'" });
  const bots = { contact: { tier: "bots" } };
  await rig.say("busy", "one");
  await rig.say("idle", "one");
  await rig.say("other", "one", bots);
  const pids = await Promise.all(["busy", "idle", "other"].map((chatId) => rig.pid(chatId)));
  const { promise: hold, resolve: finish } = Promise.withResolvers<void>();
  rig.script("Work", { kind: "text", text: "Done.", tokens: ["Do", "ne."], hold });
  const working = await rig.tell("busy", "Work");
  await rig.requestWith("Work");

  const { changed } = await reload(rig, "[tiers]\nfamily.model = 'opus'\nbots.budget.usd_per_day = 9");
  assert.deepEqual(changed, ["tiers.family.model", "tiers.bots.budget.usd_per_day"]);
  const next = await rig.tell("busy", "next");
  assert.equal(await rig.pid("busy"), pids[0], "the turn goes on in its process");
  finish();
  const answer = answerOf(await rig.ended(working));
  assert.deepEqual([answer.text, answer.answers], ["Done.", [working.id]]);
  // A turn that was cut would have been taken up, and nobody would have noticed.
  const asked = (await rig.requests("busy")).filter((request) => open(request).at(-1) === "Work");
  assert.equal(asked.length, 1, "the turn was not cut");
  assert.match(answerOf(await rig.ended(next)).text, /I remember 2 earlier messages/);
  assert.match((await rig.lastRequest("busy")).body.model, /opus/);
  assert.match(await rig.ask("idle", "two"), /I remember 1 earlier message/);
  assert.match((await rig.lastRequest("idle")).body.model, /opus/);
  await rig.say("other", "two", bots);
  const after = await Promise.all(["busy", "idle", "other"].map((chatId) => rig.pid(chatId)));
  assert.deepEqual(
    after.map((pid, at) => pid === pids[at]),
    [false, false, true],
  );
});

test("one that is not valid changes nothing, and is told of", async (t) => {
  const rig = await startRig(t, { config: "[limits]\ntext_bytes = 10" });
  const wrong = "[limits]\ntext_bytes = 100\n[tiers.queen]\nmodel = 'opus'";
  await assert.rejects(reload(rig, wrong), { code: "invalid_config", field: "tiers.queen" });
  await assert.rejects(rig.tell("chat", "longer than ten"), { code: "too_large" });
  assert.match(rig.switchboard.host.config.refused?.message ?? "", /tiers\.queen/);

  const { changed, restart } = await reload(
    rig,
    "path = '/bin'\nprocesses.max = 7\n[limits]\ntext_bytes = 100",
  );
  assert.deepEqual([changed, restart], [["limits.text_bytes", "processes.max"], ["path"]]);
  const { config, processes } = rig.switchboard.host;
  assert.deepEqual([config.refused, config.restart, processes.max], [null, ["path"], 7]);
  await rig.tell("chat", "longer than ten");
});

test("a spent budget that is raised lets its chats go on", async (t) => {
  const rig = await startRig(t, { config: "budget.usd_per_day = 0.000001" });
  await rig.say("chat", "one");
  const parked = await rig.tell("chat", "two");
  await eventually("it is parked", async () => (await rig.chat("chat")).state === "parked");
  await reload(rig, "budget.usd_per_day = 100");
  answerOf(await rig.ended(parked));
});

test("a channel that has moved, one that has come, and one that has gone", async (t) => {
  const rig = await startRig(t);
  const [here, there] = [await hook(t), await hook(t)];
  const channel = (name: string, url: string) =>
    `[channels.${name}]\ntype = "webhook"\nsecret = "sixteen characters"\nurl = "${url}"\n`;
  const arrived = (where: string[], text: string) =>
    eventually(`${text} has arrived`, () => where.some((body) => body.includes(text)));

  await reload(rig, channel("hook", here.url));
  await rig.say("chat", "first", { channel: "hook" });
  await arrived(here.bodies, "first");
  await reload(rig, channel("hook", there.url));
  await rig.say("chat", "second", { channel: "hook" });
  await arrived(there.bodies, "second");
  assert.equal(here.bodies.length, 1);
  const { promise: hold, resolve: finish } = Promise.withResolvers<void>();
  rig.script("third", { kind: "text", text: "late", tokens: ["la", "te"], hold });
  const late = await rig.tell("chat", "third", { channel: "hook" });
  await rig.requestWith("third");
  await reload(rig, "");
  await assert.rejects(rig.tell("chat", "fourth", { channel: "hook" }), { code: "invalid_request" });
  finish();
  await rig.ended(late);
  await eventually("its reply has failed", async () => (await rig.switchboard.failedReplies()).deliveries[0]);
});

/** Takes every reply. */
async function hook(t: { after(fn: () => void): void }): Promise<{ url: string; bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    bodies.push((await request.toArray()).join(""));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, bodies };
}
