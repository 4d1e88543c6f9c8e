import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Ending } from "../../src/ledger/index.ts";
import {
  failureNotices,
  freshNotice,
  pauseNotices,
  stopNotice,
  stoppedNotices,
} from "../../src/sessions/notices.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const failed = (messageId: string, code: string): Ending => ({
  messageId,
  status: "failed",
  ran: null,
  error: { code, message: `${code} in the API's own words` },
});
const stopped = (messageId: string): Ending => ({ messageId, status: "stopped", ran: true, error: null });
const open = (id: string, channel: string | null = null) => ({ id, channel });
const wordsOf = (endings: readonly Ending[]) => failureNotices(endings).map(({ text }) => text);

describe("the sender of a message that failed", () => {
  for (const [code, one, two] of [
    ["empty_answer", "I found nothing to say to your message (empty_answer).", "your 2 messages"],
    [
      "interrupted",
      "I was cut off several times while working on your message, and gave up (interrupted). Please send it again.",
      "Please send them again.",
    ],
    [
      "tries_exhausted",
      "I was cut off several times while working on your message, and gave up (tries_exhausted). Please send it again.",
      "your 2 messages, and gave up",
    ],
    [
      "context_too_long",
      "I could not read your message: it is too long for me, together with what we have said before (context_too_long).",
      "your 2 messages",
    ],
    [
      "quarantined",
      "I am out of order at the moment and could not answer your message (quarantined). The operator has been told.",
      "your 2 messages",
    ],
    [
      "invalid_request",
      "Your message could not be processed, and I left it out of our conversation (invalid_request).",
      "Your 2 messages could",
    ],
    [
      "rate_limit",
      "I could not answer your message because of a problem on our side (rate_limit). Please send it again.",
      "your 2 messages because of a problem on our side (rate_limit). Please send them again.",
    ],
  ] as const) {
    it(`is told so, and what to do: ${code}`, () => {
      assert.deepEqual(wordsOf([failed("a", code)]), [one]);
      const [text = ""] = wordsOf([failed("a", code), failed("b", code)]);
      assert.ok(text.includes(two) && text.includes(`(${code})`), text);
    });
  }

  it("never reads the words of the API or of the machine", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z_]{1,30}$/), (code) => {
        assert.doesNotMatch(wordsOf([failed("a", code)]).join(), /own words/);
      }),
    );
  });

  it("gets one notice for each reason, about every message that failed for it", () => {
    const codes = fc.constantFrom("interrupted", "empty_answer", "overloaded");
    fc.assert(
      fc.property(fc.array(fc.option(codes), { maxLength: 8 }), (all) => {
        const endings = all.map((code, at) => (code === null ? stopped(`${at}`) : failed(`${at}`, code)));
        const notices = failureNotices(endings);
        assert.equal(notices.length, new Set(all.filter((code) => code !== null)).size);
        assert.equal(new Set(notices.map(({ id }) => id)).size, notices.length);
        const about = notices.flatMap((notice) => notice.about);
        const lost = endings.flatMap(({ messageId, error }) => (error === null ? [] : [messageId]));
        assert.deepEqual(about.sort(), lost.sort());
      }),
    );
  });

  it("is told nothing when it was refused, or stopped on request", () => {
    assert.deepEqual(failureNotices([failed("a", "refused_contact"), stopped("b")]), []);
    assert.deepEqual(failureNotices([]), []);
  });
});

describe("the sender in a chat that waits for the model's API", () => {
  const until = Date.UTC(2026, 0, 10, 9, 5, 30);
  const limit = { kind: "limit", since: until - 60_000, until } as const;

  it("is told that the message is kept, and from when on it is answered", () => {
    const [{ id, text, about } = assert.fail()] = pauseNotices("chat", limit, [open("m")]);
    assert.equal(
      text,
      "I have reached my usage limit. Your message is kept, and I will answer it after 2026-01-10 09:06 UTC.",
    );
    assert.deepEqual(about, ["m"]);
    assert.match(id, uuid);
  });

  for (const kind of ["authentication", "billing"] as const) {
    it(`is not told of times that nobody knows, nor why (${kind})`, () => {
      const [{ text } = assert.fail()] = pauseNotices("chat", { ...limit, kind }, [open("m")]);
      assert.match(text, /^I cannot reach my model at the moment\. Your message is kept/);
      assert.doesNotMatch(text, /\d|key|bill|auth/i);
    });
  }

  it("is told once of each limit in each chat, however often and by whatever message", () => {
    const chats = fc.constantFrom("a", "b");
    const holds = fc.record({
      kind: fc.constantFrom("limit", "budget", "authentication", "billing"),
      since: fc.constantFrom(0, 1000),
      until: fc.constantFrom(until, until + 5, until + 3_600_000),
    });
    const idOf = (chat: string, hold: Parameters<typeof pauseNotices>[1]) =>
      pauseNotices(chat, hold, [open("m")])[0]?.id;
    /** A limit and a day's budget are known by their end, to the minute; of other trouble, which is looked at again and again, by its begin. */
    const same = (a: typeof limit | Parameters<typeof pauseNotices>[1], b: typeof a) =>
      a.kind === b.kind &&
      (a.kind === "limit" || a.kind === "budget"
        ? Math.ceil(a.until / 60_000) === Math.ceil(b.until / 60_000)
        : a.since === b.since);
    fc.assert(
      fc.property(chats, chats, holds, holds, (chatA, chatB, a, b) => {
        assert.equal(idOf(chatA, a) === idOf(chatB, b), chatA === chatB && same(a, b));
      }),
      { numRuns: 500 },
    );
    const [one, other] = ["m", "n"].map((id) => pauseNotices("a", limit, [open(id)]));
    assert.deepEqual(
      one?.map(({ id }) => id),
      other?.map(({ id }) => id),
    );
  });

  it("is told by each channel that open messages came by, about the first of them", () => {
    const all = [open("a"), open("b", "hook"), open("c", "other"), open("d", "hook"), open("e")];
    const notices = pauseNotices("chat", limit, all);
    assert.deepEqual(
      notices.map(({ about }) => about),
      [["a"], ["b"], ["c"]],
    );
    assert.equal(new Set(notices.map(({ id }) => id)).size, 3);
  });
});

describe("the sender of messages that somebody else stopped", () => {
  it("is told so by the channel that they came by, and not where their status is looked at", () => {
    const notices = stoppedNotices([open("a", "hook"), open("b"), open("c", "hook"), open("d", "other")]);
    assert.deepEqual(
      notices.map(({ text, about }) => [text, about]),
      [
        ["My work on your 2 messages was stopped.", ["a", "c"]],
        ["My work on your message was stopped.", ["d"]],
      ],
    );
    assert.deepEqual(stoppedNotices([open("b")]), []);
  });
});

describe("the sender of a stop word", () => {
  const [ran, waited] = [{ ran: true }, { ran: false }];
  for (const [stopped, text] of [
    [[], "There was nothing to stop."],
    [[ran, ran], "Stopped: what I was working on."],
    [[waited], "Stopped: 1 waiting message."],
    [[waited, ran, waited], "Stopped: what I was working on and 2 waiting messages."],
  ] as const) {
    it(`is told: ${text}`, () => {
      const notice = stopNotice(stopped, "m");
      assert.deepEqual([notice.text, notice.about], [text, ["m"]]);
    });
  }
});

describe("the sender in a conversation that is gone", () => {
  it("is told in one line that nothing of it is remembered", () => {
    const { text, about } = freshNotice("m", true);
    assert.match(text, /^I could not find our conversation any more.*remember nothing of it\.$/);
    assert.deepEqual(about, ["m"]);
  });
});
