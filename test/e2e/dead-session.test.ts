/**
 * A conversation is worth more than its file: what somebody deleted, cut or damaged is brought back from its copy, what is
 * too long is made shorter, and only when nothing is left a new one begins, which the chat is told.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  copyFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { type Part, parts } from "../../src/offline/claude-code.ts";
import type { Step } from "../../src/offline/index.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { assertSeenOnce } from "../support/model.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });

/** A chat without a process that has said "one" and "two", in this order; gives its transcript. */
async function asleep(chatId: string): Promise<string> {
  await rig.say(chatId, "one");
  await rig.copied(await rig.say(chatId, "two"));
  await rig.switchboard.closeChat(chatId);
  return await rig.transcript(chatId);
}

async function assertRemembers(chatId: string): Promise<void> {
  assert.equal(await rig.ask(chatId, "What did I say?"), 'You said, newest first: "two", "one".');
}

/** What operators were told of the chat's conversation. */
function told(chatId: string): string[] {
  const codes = rig.journal.of(chatId, "notice").map(({ code }) => code);
  return codes.filter((code) => /^(transcript|conversation)_/.test(code));
}

/** What the chat was told in our own words. */
function notices(chatId: string): string[] {
  return rig.journal.of(chatId, "reply").flatMap(({ reply }) => (reply.kind === "notice" ? reply.text : []));
}

describe("a transcript comes back from its copy", () => {
  const damages: Record<string, (transcript: string) => void> = {
    "when it was deleted": (transcript) => rmSync(transcript),
    "when its space was deleted": (transcript) =>
      rmSync(join(dirname(transcript), "../../.."), { recursive: true }),
    "when it was cut in the middle": (transcript) =>
      truncateSync(transcript, Math.floor(statSync(transcript).size / 2)),
    "when it was emptied": (transcript) => truncateSync(transcript),
  };
  for (const [how, damage] of Object.entries(damages)) {
    test(how, async () => {
      const chatId = how;
      const transcript = await asleep(chatId);
      const sessionId = await rig.sessionId(chatId);
      damage(transcript);
      await assertRemembers(chatId);
      assert.equal(await rig.sessionId(chatId), sessionId);
      assert.deepEqual([told(chatId), notices(chatId)], [["transcript_restored"], []]);
    });
  }

  test("when every space was deleted between two runs of the daemon, and no chat has forgotten anything", async (t) => {
    const daemon = await startDaemonRig(t);
    for (const chatId of ["ada", "ben"]) await daemon.ask(chatId, `I am ${chatId}`);
    assert.equal(await daemon.stop(), 0);
    rmSync(join(daemon.home, "spaces"), { recursive: true });
    await daemon.start();
    for (const chatId of ["ada", "ben"]) {
      assert.equal(await daemon.ask(chatId, "What did I say?"), `You said, newest first: "I am ${chatId}".`);
    }
  });
});

test("a last line that was not written to its end is cut off, and the conversation goes on", async () => {
  const transcript = await asleep("torn");
  appendFileSync(transcript, '{"type":"user","message":{"role":"us');
  await assertRemembers("torn");
  await rig.switchboard.closeChat("torn");
  assert.match(await rig.ask("torn", "What did I say?"), /"two", "one"\.$/);
  for (const line of readFileSync(transcript, "utf8").trim().split("\n"))
    assert.doesNotThrow(() => JSON.parse(line));
  assert.deepEqual([told("torn"), notices("torn")], [["transcript_cut"], []]);
});

test("transcript and copy are gone: the chat begins anew and is told so once, and undo brings the old session back", async () => {
  const transcript = await asleep("gone");
  const sessionId = await rig.sessionId("gone");
  const kept = join(rig.folder, "kept.jsonl");
  copyFileSync(transcript, kept);
  const copies = globSync(join(rig.home, "transcripts", "*", "*", `${sessionId}.jsonl`));
  for (const file of [transcript, ...copies]) rmSync(file);

  // Nobody would be told if it began anew for nobody's message.
  await rig.switchboard.wake("gone");
  await eventually("it rests again", async () => (await rig.chat("gone")).state === "dormant");
  assert.deepEqual([told("gone"), await rig.sessionId("gone")], [[], sessionId]);
  const message = await rig.say("gone", "three");
  assert.equal(answerOf(message).text, 'You said: "three". I remember no earlier messages.');
  await rig.say("gone", "four");
  assert.deepEqual(notices("gone"), [
    "I could not find our conversation any more, so I begin anew and remember nothing of it.",
  ]);
  assert.deepEqual(told("gone"), ["conversation_begun_anew"]);
  assert.notEqual(await rig.sessionId("gone"), sessionId);

  assert.equal((await rig.switchboard.undoReset("gone")).sessionId, sessionId);
  mkdirSync(dirname(transcript), { recursive: true });
  copyFileSync(kept, transcript);
  await assertRemembers("gone");
});

describe("a conversation that has become too long for the model", () => {
  const tooLong: Step = {
    kind: "error",
    status: 400,
    type: "invalid_request_error",
    message: "prompt is too long: 210000 tokens > 200000 maximum",
  };

  /** The API finds too long what `holds` is true of. */
  function refuse(holds: (conversation: readonly Part[]) => boolean): void {
    rig.model.script(({ kind, body }) => (kind === "messages" && holds(parts(body)) ? tooLong : undefined));
  }

  function says(conversation: readonly Part[], text: string): boolean {
    return conversation.some((part) => part.kind === "message" && part.text === text);
  }

  test("is made shorter, then the message is answered, once, from what is left of it", async () => {
    await rig.say("long", "one");
    await rig.say("long", "a long story");
    refuse((conversation) => says(conversation, "a long story") && !conversation.some(isSummary));
    const message = await rig.say("long", "And then?");
    assert.deepEqual(answerOf(message).answers, [message.id]);
    assert.match(answerOf(message).text, /^You said: "And then\?"/);
    assertSeenOnce(await rig.requests("long"), "And then?");
    assert.ok(parts((await rig.lastRequest("long")).body).some(isSummary));
    assert.deepEqual(notices("long"), []);
    assert.match(await rig.ask("long", "What did I say?"), /"And then\?", "a long story", "one"\.$/);
  });

  test("and is not made shorter at once, because something comes between: it is tried again, and nothing is forgotten", async () => {
    await rig.say("hurt", "one");
    await rig.say("hurt", "a sad story");
    let failures = 2;
    rig.model.script(({ kind, body }) => {
      const conversation = kind === "messages" ? parts(body) : [];
      if (!says(conversation, "a sad story")) return undefined;
      if (!conversation.some(isSummary)) return tooLong;
      if (!conversation.some((part) => part.kind === "compact") || failures-- <= 0) return undefined;
      return { kind: "error", status: 404, type: "not_found_error", message: "a proxy's word" };
    });
    const message = await rig.say("hurt", "And then?");
    assert.equal(failures, -1);
    assert.deepEqual(answerOf(message).answers, [message.id]);
    assert.deepEqual([notices("hurt"), told("hurt")], [[], []]);
    assert.match(await rig.ask("hurt", "What did I say?"), /"And then\?", "a sad story", "one"\.$/);
  });

  test("and cannot be made shorter, begins anew: the chat is told, and the message answered", async () => {
    await rig.say("endless", "an endless story");
    await rig.say("endless", "the other half");
    const sessionId = await rig.sessionId("endless");
    rig.model.script(({ kind, headers }) =>
      kind === "messages" && headers["x-claude-code-session-id"] === sessionId ? tooLong : undefined,
    );
    const message = await rig.say("endless", "And then?");
    assert.equal(answerOf(message).text, 'You said: "And then?". I remember no earlier messages.');
    assert.equal(notices("endless").length, 1);
    assert.deepEqual(told("endless"), ["conversation_begun_anew"]);
  });

  /** The text is too long by itself: what is said with it is refused, whatever else was said. */
  async function assertOnlyThisFails(chatId: string, text: string): Promise<void> {
    refuse(
      (conversation) => says(conversation, text) && !conversation.some(({ kind }) => kind === "compact"),
    );
    const failed = await rig.say(chatId, text);
    assert.deepEqual([failed.status, failed.error?.code], ["failed", "context_too_long"]);
    assert.ok(failed.tries <= 3, `${failed.tries} tries`);
    assert.equal(notices(chatId).length, 1);
    const next = await rig.say(chatId, "And then?");
    assert.deepEqual(answerOf(next).answers, [next.id]);
    assert.ok(!says(parts((await rig.lastRequest(chatId)).body), text));
  }

  test("because of one message: that one fails, its sender is told, and the conversation stays", async () => {
    for (const text of ["one", "two"]) await rig.say("huge", text);
    const sessionId = await rig.sessionId("huge");
    await assertOnlyThisFails("huge", "far too long");
    assert.equal(await rig.sessionId("huge"), sessionId);
  });

  test("because of its very first message: that one fails, and the next begins the conversation", async () => {
    await assertOnlyThisFails("huge first", "too long from the first");
  });
});

function isSummary({ kind }: Part): boolean {
  return kind === "compact" || kind === "compacted";
}
