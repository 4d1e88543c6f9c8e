/** The numbers for Prometheus: those of the ledger, in series that do not grow with the chats, and the files that use them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LedgerEvent } from "../../src/ledger/index.ts";
import { Metrics } from "../../src/metrics.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });

/** The values of one metric by its labels as they are written. */
async function series(name: string): Promise<Map<string, number>> {
  const lines = (await rig.switchboard.metrics()).split("\n");
  return new Map(
    lines.flatMap((line) => {
      const [, labels = "", value] =
        new RegExp(`^switchboard_${name}(?:\\{(.*)\\})? (\\S+)$`).exec(line) ?? [];
      return value === undefined ? [] : [[labels, Number(value)] as const];
    }),
  );
}
const value = async (name: string, labels = "") => (await series(name)).get(labels) ?? 0;

test("are what the ledger says, after turns, a failure and a stop", async () => {
  answerOf(await rig.say("ada", "one"));
  answerOf(await rig.say("ada", "two"));
  answerOf(await rig.say("bob", "one", { contact: { tier: "admin" } }));
  const refusal = {
    kind: "error" as const,
    status: 400,
    type: "invalid_request_error" as const,
    message: "no",
  };
  const off = rig.script("fail", refusal);
  assert.equal((await rig.say("bob", "fail")).status, "failed");
  off();
  rig.script("hang", { kind: "hang" });
  const hanging = await rig.tell("ada", "hang");
  await rig.requestWith("hang");
  await rig.switchboard.stop("ada");
  assert.equal((await rig.ended(hanging)).status, "stopped");

  const entries = (await Promise.all(["ada", "bob"].map((chatId) => rig.switchboard.history(chatId)))).flat();
  const messages = entries.flatMap((entry) => (entry.type === "message" ? [entry] : []));
  assert.equal(await value("messages_accepted_total"), messages.length);
  for (const status of ["answered", "failed", "stopped"]) {
    const count = messages.filter((message) => message.status === status).length;
    assert.equal(await value("messages_ended_total", `status="${status}"`), count, status);
    assert.equal(await value("message_seconds_count", `status="${status}"`), count, status);
  }
  assert.equal(await value("message_request_seconds_count"), messages.length);
  assert.equal(await value("message_wait_seconds_count"), messages.length);
  const spoken = messages.filter(({ status }) => status === "answered").length;
  assert.equal(await value("first_text_seconds_count"), spoken);
  assert.equal(await value("turn_seconds_count", 'outcome="answered"'), spoken);
  assert.equal(await value("replies_total", 'status="sent"'), entries.length - messages.length);

  const usage = await rig.switchboard.usage();
  for (const tier of ["family", "admin"]) {
    const of = usage.filter((each) => each.tier === tier);
    const sum = (pick: (each: (typeof of)[number]) => number) =>
      of.reduce((total, each) => total + pick(each), 0);
    assert.ok(
      Math.abs((await value("cost_usd_total", `tier="${tier}"`)) - sum(({ costUsd }) => costUsd)) < 1e-9,
    );
    assert.equal(
      await value("tokens_total", `tier="${tier}",kind="input"`),
      sum(({ inputTokens }) => inputTokens),
    );
    assert.equal(
      await value("tokens_total", `tier="${tier}",kind="output"`),
      sum(({ outputTokens }) => outputTokens),
    );
  }
  const { today, chats, waiting, steps } = await rig.switchboard.overview();
  const ended = (status: string) => messages.filter((message) => message.status === status).length;
  const { answered, refused, failed, stopped } = today;
  assert.deepEqual(
    { answered, refused, failed, stopped },
    { answered: ended("answered"), refused: 0, failed: ended("failed"), stopped: ended("stopped") },
  );
  assert.equal(today.turns, messages.length);
  const took = messages
    .filter(({ status }) => status === "answered")
    .map(({ acceptedAt, endedAt }) => Date.parse(endedAt ?? "") - Date.parse(acceptedAt))
    .sort((a, b) => a - b);
  const { p50, p99 } = today.answerMs ?? assert.fail();
  for (const [told, real = 0] of [
    [p50, took[Math.ceil(took.length / 2) - 1]],
    [p99, took.at(-1)],
  ] as const)
    assert.ok(told >= real && told <= Math.ceil(real * 1.1), `${told} for ${real} ms`);
  const spent = usage.reduce((sum, { costUsd }) => sum + costUsd, 0);
  assert.ok(Math.abs(today.costUsd - spent) < 1e-9);
  const inSteps = steps.reduce((sum, { costUsd }) => sum + costUsd, 0);
  assert.ok(Math.abs(inSteps - spent) < 1e-9);
  assert.equal(chats.total, 2);
  assert.equal(chats.idle + chats.busy + chats.closing + chats.starting + chats.dormant, 2);
  assert.deepEqual(Object.values(waiting), Object.values(waiting).fill(0));

  const { processes } = rig.switchboard.host;
  assert.deepEqual(
    [await value("processes"), await value("processes_max"), await value("model_trouble")],
    [processes.live, processes.max, 0],
  );
  const started = rig.starts("ada") + rig.starts("bob");
  assert.equal(await value("process_starts_total", 'reason="message"'), started);
  const { idle, dormant } = chats;
  assert.equal(await value("sessions", 'state="idle"'), idle);
  assert.ok(dormant >= (await value("sessions", 'state="dormant"')));
  assert.equal(await value("messages_waiting", 'for="model"'), 0);
  assert.equal(await value("messages_requeued_total"), 0);
});

test("grow by no chat: a thousand more make no series more", async () => {
  let tell: (events: readonly LedgerEvent[]) => void = () => {};
  const onCommit = (listener: typeof tell) => {
    tell = listener;
    return () => {};
  };
  const states = { ...{ starting: 0, idle: 0, busy: 0, closing: 0, dormant: 0, parked: 0, quarantined: 0 } };
  const waiting = {
    ...{ slot: 0, start: 0, model: 0, tool: 0, approval: 0, limit: 0, compaction: 0, budget: 0 },
  };
  const metrics = new Metrics(
    { onCommit },
    { host: () => rig.switchboard.host, census: () => ({ states, waiting }) },
  );
  let seq = 0;
  const live = (chatId: string) => {
    const id = `message of ${chatId}`;
    const message = {
      id,
      externalId: null,
      seq: 1,
      text: chatId,
      attachments: [],
      ran: null,
      error: null,
      replyId: null,
    };
    const frame = () => ({ seq: ++seq, at: seq, chatId });
    tell([
      { ...frame(), type: "message", message: { ...message, status: "queued", tries: 0 } },
      { ...frame(), type: "process", generation: seq, state: "starting", pid: null, reason: chatId },
      { ...frame(), type: "message", message: { ...message, status: "sent", tries: 1 } },
      { ...frame(), type: "turn", turnId: chatId, state: "started", messageIds: [id] },
    ]);
    metrics.onText(chatId);
    tell([
      { ...frame(), type: "turn", turnId: chatId, state: "answered", messageIds: [id] },
      { ...frame(), type: "message", message: { ...message, status: "answered", tries: 1 } },
    ]);
  };
  const count = async () =>
    (await metrics.text()).split("\n").filter((line) => line.startsWith("switchboard_")).length;
  live("chat 0");
  const before = await count();
  for (let n = 1; n <= 1000; n += 1) live(`chat ${n}`);
  assert.equal(await count(), before);
  assert.match(await metrics.text(), /^switchboard_messages_accepted_total 1001$/m);
  assert.doesNotMatch(await metrics.text(), /chat \d/);
});

test("are all there that the alerts and the Grafana dashboard ask for", async () => {
  const ops = join(import.meta.dirname, "../../ops");
  const text = await rig.switchboard.metrics();
  const known = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = "", type]) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
  );
  const grafana = JSON.parse(readFileSync(join(ops, "grafana.json"), "utf8"));
  assert.ok(grafana.panels.length > 0);
  for (const file of ["grafana.json", "prometheus-rules.yaml"]) {
    const asked = readFileSync(join(ops, file), "utf8").match(/switchboard_[a-z_]+/g) ?? [];
    assert.ok(asked.length > 5);
    assert.deepEqual(
      [...new Set(asked)].filter((name) => !known.includes(name)),
      [],
      file,
    );
  }
  const operations = readFileSync(join(ops, "../docs/operations.md"), "utf8");
  const rules = readFileSync(join(ops, "prometheus-rules.yaml"), "utf8");
  for (const [, alert = ""] of rules.matchAll(/alert: (\w+)/g)) assert.ok(operations.includes(alert), alert);
});
