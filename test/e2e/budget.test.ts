/** A budget is kept to within one request, over restarts, and nothing is lost while it is spent; and so is a pace. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "../support/eventually.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
const config = "tiers.admin.budget.usd_per_chat_day = 0.01";
const prices = "[prices.claude]\ninput = 0\noutput = 0";
await rig.reopen(`${config}\n${prices}`);

/** What the model says costs nothing, but for what is dear. */
const loop = () =>
  rig.model.script(({ kind }) =>
    kind === "messages" ? { kind: "tool", name: "Bash", input: { command: "true" } } : undefined,
  );
const asked = async () => (await rig.requests("spender")).length;
/** The message, as soon as it waits for the budget. */
const parked = ({ id }: { id: string }) =>
  eventually("it waits for the budget", async () => {
    const message = await rig.switchboard.message(id);
    return message.waiting?.for === "budget" && message;
  });
let open: { id: string };
const notices = () => rig.journal.of("spender", "reply").filter(({ reply }) => reply.kind === "notice");

test("a looping model is stopped within one request after a cent is spent, and the sender is told once", async () => {
  await rig.say("spender", "Hello", { contact: { tier: "admin" } });
  assert.deepEqual(
    (await rig.switchboard.usage({ chatId: "spender" })).map(({ tier, costUsd, requests }) => [
      tier,
      costUsd,
      requests,
    ]),
    [["admin", 0, 1]],
  );
  // From now on a token costs a cent.
  await rig.reopen(`${config}\n[prices.claude]\ninput = 10000\noutput = 0`);
  const before = await asked();
  const off = loop();
  const message = await rig.tell("spender", "Work for ever");
  await rig.journal.until(
    "spender",
    "process",
    ({ state, reason }) => state === "ended" && /^parked/.test(reason),
  );
  assert.equal(await asked(), before + 1);
  const { waiting, status } = await parked(message);
  assert.deepEqual([waiting?.for, status], ["budget", "queued"]);
  assert.match(waiting?.until ?? "", /T00:00:00.000Z$/);
  const { state, held } = await rig.chat("spender");
  assert.equal(state, "parked");
  assert.match(held?.reason ?? "", /^Today's budget of the chat is spent: \d+\.\d{4} of 0\.0100 USD\.$/);
  open = await rig.tell("spender", "Are you there?");
  assert.deepEqual(
    notices().map(({ reply }) => reply.text.replace(/after .* UTC/, "after …")),
    [
      "My budget for today is used up. Your message is kept, and I will answer it after …, or when I am allowed more.",
    ],
  );
  off();

  // Another chat has its own.
  answerOf(await rig.say("other", "Hello"));
  await parked(open);
});

test("what is spent stays spent over a restart; more goes on, from where it was", async () => {
  await rig.reopen(`${config}\n${prices}`);
  const before = await asked();
  await parked(open);
  assert.equal((await rig.chat("spender")).process, null);
  assert.equal(await asked(), before);
  const raised = await rig.switchboard.allowMore(1_000_000, { chatId: "spender" });
  assert.deepEqual([raised.chatId, raised.usd], ["spender", 1_000_000]);
  answerOf(await rig.ended(open));
  assert.equal(notices().length, 1);
});

test("the model's answers are metered as they were told", async () => {
  const before = (await rig.switchboard.usage({ chatId: "spender" }))[0];
  answerOf(await rig.say("spender", "How much?"));
  const after = (await rig.switchboard.usage({ chatId: "spender" }))[0];
  assert.ok(before !== undefined && after !== undefined);
  assert.equal(after.requests, before.requests + 1);
  assert.ok(after.inputTokens > before.inputTokens && after.outputTokens > before.outputTokens);
  const all = await rig.switchboard.usage();
  assert.ok(all.some(({ tier, requests }) => tier === "admin" && requests === after.requests));
  await assert.rejects(rig.switchboard.usage({ days: 0 }), { code: "invalid_request", field: "days" });
});

test("who writes faster than they may is told so; what is known, and a stop, are not held up", async () => {
  await rig.reopen("limits.chat_messages_per_minute = 2");
  const first = await rig.tell("hasty", "one", { id: "1" });
  await rig.tell("hasty", "two", { id: "2" });
  await assert.rejects(rig.tell("hasty", "three", { id: "3" }), { code: "rate_limited" });
  assert.equal((await rig.tell("hasty", "one", { id: "1" })).id, first.id);
  await assert.rejects(rig.tell("hasty", "another one", { id: "1" }), { code: "conflict" });
  await rig.tell("patient", "one");
  assert.equal((await rig.switchboard.stop("hasty")).did, "stopped");
  assert.equal((await rig.switchboard.history("hasty")).filter(({ type }) => type === "message").length, 2);

  await rig.reopen("limits.chat_messages_per_minute = 2\ntiers.bots.messages_per_minute = 1");
  await rig.tell("bot", "one", { contact: { tier: "bots" } });
  await assert.rejects(rig.tell("bot", "two"), { code: "rate_limited" });
  await rig.tell("hasty", "four");
  await rig.tell("hasty", "five");
});
