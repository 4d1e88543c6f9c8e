import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backoffMs } from "../../src/channels/delivery.ts";
import type { SendResult } from "../../src/channels/index.ts";
import { attemptMs, attemptsAtOnce, closeMs } from "../../src/channels/outbox.ts";
import { type Ledger, LedgerError, type Reply } from "../../src/ledger/index.ts";
import { eventually, within } from "../support/eventually.ts";
import { inTime, type Life, replied, reply, replyNow, untilIs, withHome, withLife } from "./ground.ts";
import type { Deed, Post } from "./sample.ts";

const never = new AbortController().signal;

/** One deed after the other, the last one for all that follow. */
function deeds(...list: Deed[]): (post: Post) => Deed {
  return () => (list.length > 1 ? list.shift() : list[0]) ?? "show";
}

function texts(posts: readonly Post[]): string[] {
  return posts.map(({ text }) => text);
}

async function hasFailed(ledger: Ledger, reply: Reply): Promise<boolean> {
  return (await replyNow(ledger, reply)).status === "failed";
}

function aDayOlder(reply: Reply | null): Reply | null {
  return reply && { ...reply, createdAt: reply.createdAt - 86_400_000 };
}

/** The ledger, with calls of the given kind that fail for so often. */
function failing(ledger: Ledger, method: "deliver" | "nextReply", error: LedgerError, times: number): Ledger {
  let left = times;
  const fails = async () => {
    left -= 1;
    throw error;
  };
  return {
    ...ledger,
    [method]: (...args: [never, never]) => (left > 0 ? fails() : ledger[method](...args)),
  };
}

describe("a message that comes by a channel", () => {
  it("is accepted once however often it is delivered, and its reply goes to the thread that it came from", () =>
    withLife(async ({ ledger, messenger, host, outbox }) => {
      await outbox();
      assert.deepEqual(await messenger.write("sample:1", "cars", "m1", "Which one?"), [200, 200]);
      await messenger.write("sample:1", "boats", "m2", "And which boat?");
      const open = await ledger.openMessages("sample:1");
      assert.deepEqual(
        open.map(({ message }) => [message.externalId, message.channel]),
        [
          ["m1", "sample"],
          ["m2", "sample"],
        ],
      );
      for (const { message } of open.toReversed()) await reply(ledger, message, `to ${message.externalId}`);
      await eventually("both are shown", () => messenger.shown.length === 2);
      assert.deepEqual(
        messenger.shown.map(({ thread, text }) => [thread, text]),
        [
          ["boats", "to m2"],
          ["cars", "to m1"],
        ],
      );
      assert.deepEqual(host.woken, []);
    }));

  it("is a stop command when it is a stop word and nothing else", () =>
    withLife(async ({ ledger, messenger }) => {
      const said = ["Stop!", " stop \n", "STOP.", "stop it", "don't stop", "!"];
      for (const [n, text] of said.entries()) await messenger.write("sample:1", "main", `m${n}`, text);
      const open = await ledger.openMessages("sample:1");
      assert.deepEqual(
        open.map(({ message }) => message.command),
        ["stop", "stop", "stop", null, null, null],
      );
    }));

  it("can be announced: typing wakes its chat", () =>
    withLife(async ({ messenger, host }) => {
      await messenger.type("sample:1");
      assert.deepEqual(host.woken, ["sample:1"]);
    }));
});

describe("a reply", () => {
  it("is recorded as being sent before it is, and as sent after the messenger has acknowledged it", () =>
    withLife(async ({ ledger, messenger, outbox }) => {
      const made = await replied(ledger, "sample:1", "hello");
      let before: unknown;
      messenger.does = async (): Promise<Deed> => {
        const { status, attempts } = await replyNow(ledger, made);
        before = { status, attempts };
        return "show in silence";
      };
      await outbox();
      await eventually("it is shown", () => messenger.shown.length === 1);
      assert.deepEqual(before, { status: "sending", attempts: 1 });
      assert.equal((await replyNow(ledger, made)).status, "sending");
      await messenger.acknowledge(made.id);
      await untilIs(ledger, made, "sent");
      assert.equal(messenger.posts.length, 1);
    }));

  it("waits for those before it in its chat, and for those of no other chat", () =>
    withLife(async (life) => {
      const { ledger, messenger, outbox } = life;
      const first = await replied(ledger, "sample:1", "1 a");
      await replied(ledger, "sample:1", "1 b");
      await replied(ledger, "sample:2", "2 a");
      let away = true;
      messenger.does = ({ chatId }) => (away && chatId === "sample:1" ? "be away" : "show");
      await outbox();
      await replied(ledger, "sample:2", "2 b");
      await eventually("the other chat has its replies", () => messenger.shown.length === 2);
      await inTime("the first is tried again", life, first, () => messenger.posts.length >= 6);
      assert.ok(!texts(messenger.posts).includes("1 b"));
      away = false;
      await inTime("all are shown", life, first, () => messenger.shown.length === 4);
      assert.deepEqual(texts(messenger.shown), ["2 a", "2 b", "1 a", "1 b"]);
    }));

  it("is sent again, with the same key, until it comes through", () =>
    withLife(async (life) => {
      const { ledger, messenger, outbox } = life;
      messenger.does = deeds("be away", "put off", "break", "be away", "show");
      const made = await replied(ledger, "sample:1", "hello");
      await outbox();
      await inTime("it is sent", life, made, async () => (await replyNow(ledger, made)).status === "sent");
      assert.deepEqual(
        messenger.posts.map(({ key, attempt, mayBeDouble }) => ({ key, attempt, mayBeDouble })),
        [1, 2, 3, 4, 5].map((attempt) => ({ key: made.id, attempt, mayBeDouble: false })),
      );
      assert.equal(messenger.shown.length, 1);
    }));

  it("is not sent again before its time, also not after a restart", () =>
    withHome(async (live) => {
      let made = "";
      await live(async ({ ledger, messenger, outbox }) => {
        messenger.does = () => "put off";
        const { id } = await replied(ledger, "sample:1", "hello");
        made = id;
        await outbox();
        await eventually("it is put off", async () => {
          const next = await ledger.nextReply("sample", "sample:1");
          return next?.status === "pending" && next.attempts === 1;
        });
      });
      await live(async ({ ledger, messenger, clock, outbox }) => {
        messenger.does = () => "show";
        const next = await ledger.nextReply("sample", "sample:1");
        assert.ok(next?.id === made && next.dueAt !== null);
        await outbox();
        await eventually("the outbox waits for its time", () => clock.timers === 1);
        const before = next.dueAt - clock.now() - 1;
        assert.ok(before > 0, "the second life begins within the first pause");
        clock.advance(before);
        assert.deepEqual([messenger.posts.length, clock.timers], [1, 1]);
        clock.advance(1000);
        await eventually("it is shown", () => messenger.shown.length === 1);
      });
    }));

  for (const when of ["before its first attempt", "in its pause", "in its pause, before a restart"]) {
    it(`does not wait for a clock that was set back ${when}`, () =>
      withHome(async (live) => {
        const hour = 3_600_000;
        await live(async ({ ledger, messenger, clock, outbox }) => {
          messenger.does = deeds("put off", "show");
          const made = await replied(ledger, "sample:1", "hello");
          if (when === "before its first attempt") {
            clock.setBackMs = hour;
            await outbox();
            await eventually("it is tried", () => messenger.posts.length === 1);
            return;
          }
          await outbox();
          await eventually("it is put off", async () => (await replyNow(ledger, made)).attempts === 1);
          await untilIs(ledger, made, "pending");
          if (when !== "in its pause") return;
          await eventually("the outbox waits for its time", () => clock.timers === 1);
          clock.setBackMs = hour;
          clock.advance(2 * backoffMs.least);
          await eventually("it is shown", () => messenger.shown.length === 1);
        });
        if (when !== "in its pause, before a restart") return;
        await live(async ({ messenger, clock, outbox }) => {
          clock.setBackMs = hour;
          await outbox();
          await eventually("the outbox waits for its time", () => clock.timers === 1);
          clock.advance(2 * backoffMs.least);
          await eventually("it is shown", () => messenger.shown.length === 1);
        });
      }));
  }

  it("that the channel refuses for good has failed, is listed, and keeps nobody waiting", () =>
    withLife(async ({ ledger, messenger, outbox }) => {
      messenger.does = ({ text }) => (text === "bad" ? "refuse" : "show");
      const bad = await replied(ledger, "sample:1", "bad");
      await replied(ledger, "sample:1", "good");
      await outbox();
      await eventually("the next is shown", () => messenger.shown.length === 1);
      const [failed, ...others] = await ledger.failedReplies("", 10);
      assert.deepEqual(others, []);
      assert.equal(failed?.id, bad.id);
      assert.deepEqual(failed.error, { code: "refused", message: "the messenger would refuse it" });

      messenger.does = () => "show";
      await ledger.retryReply(bad.id);
      await untilIs(ledger, bad, "sent");
      assert.deepEqual(texts(messenger.shown), ["good", "bad"]);
    }));

  it("that is too old has failed, and is sent once more when somebody asks for it", () =>
    withHome(
      async (live) => {
        let tried = 0;
        await live(async (life) => {
          const { ledger, messenger, outbox } = life;
          messenger.does = () => "be away";
          const made = await replied(ledger, "sample:1", "hello");
          await outbox();
          await inTime("it is given up", life, made, () => hasFailed(ledger, made));
          assert.equal((await replyNow(ledger, made)).error?.code, "expired");
          tried = messenger.posts.length;
        });
        await live(async (life) => {
          const { ledger, messenger, outbox } = life;
          const [made] = await ledger.failedReplies("", 10);
          assert.ok(made !== undefined);
          await outbox({ ...ledger, nextReply: async (...of) => aDayOlder(await ledger.nextReply(...of)) });
          await ledger.retryReply(made.id);
          await eventually("it is tried", () => messenger.posts.length === tried + 1);
          await inTime("it is given up again", life, made, () => hasFailed(ledger, made));
          assert.equal(messenger.posts.length, tried + 1);
          messenger.does = () => "show";
          await ledger.retryReply(made.id);
          await untilIs(ledger, made, "sent");
        });
      },
      { expireMs: 60_000 },
    ));

  it("that the channel does not answer for is unknown after the limit, and an answer after that is not heard", () =>
    withLife(
      async ({ ledger, messenger, clock, outbox }) => {
        messenger.does = () => "show in silence";
        const made = await replied(ledger, "sample:1", "hello");
        await outbox();
        await eventually("it is shown", () => messenger.shown.length === 1);
        clock.advance(attemptMs - 1);
        assert.equal((await replyNow(ledger, made)).status, "sending");
        clock.advance(1);
        const held = await untilIs(ledger, made, "uncertain");
        assert.deepEqual(held.error, {
          code: "unknown_outcome",
          message: "The channel did not answer within 30 s.",
        });
        await messenger.acknowledge(made.id);
        assert.equal((await replyNow(ledger, made)).status, "uncertain");
        await replied(ledger, "sample:1", "next");
        await eventually("the next is shown", () => messenger.shown.length === 2);
      },
      { afterCrash: "hold" },
    ));

  it("is unknown when the channel answers what no channel may, and the error says what", () =>
    withLife(
      async ({ ledger, channel, outbox }) => {
        const wrong: Array<[answer: unknown, message: string]> = [
          [undefined, "result: Invalid input: expected object, received undefined"],
          [{ kind: "ok" }, "kind: Invalid discriminator value. Expected 'sent' | 'refused' | 'unknown'"],
          [{ kind: "refused", reason: "no" }, "retry: Invalid input: expected boolean, received undefined"],
          [{ kind: "sent", id: 7 }, 'id: Unrecognized key: "id"'],
          [
            { kind: "refused", reason: "no", retry: true, afterMs: Number.NaN },
            "afterMs: Invalid input: expected number, received NaN",
          ],
        ];
        const answers = wrong.map(([answer]) => answer);
        channel.send = async () => (answers.length > 0 ? (answers.shift() as SendResult) : { kind: "sent" });
        await outbox();
        for (const [, message] of wrong) {
          const { error } = await untilIs(ledger, await replied(ledger, "sample:1", "hello"), "uncertain");
          assert.deepEqual(error, {
            code: "unknown_outcome",
            message: `The channel answered what it may not: ${message}.`,
          });
        }
        await untilIs(ledger, await replied(ledger, "sample:1", "hello"), "sent");
      },
      { afterCrash: "hold" },
    ));
});

describe("a reply that was being sent when everything died", () => {
  /** The first life ends while the messenger has shown the reply and not said so. */
  async function died({ ledger, messenger, outbox }: Life): Promise<void> {
    messenger.does = () => "show in silence";
    await replied(ledger, "sample:1", "hello", "cars");
    await outbox();
    await eventually("it is shown", () => messenger.shown.length === 1);
  }

  it("is sent again under its key by a channel that resends, so that it is shown once", () =>
    withHome(async (live) => {
      await live(died);
      await live(async (life) => {
        const { ledger, messenger, outbox } = life;
        const found = await ledger.nextReply("sample", "sample:1");
        assert.ok(found !== null);
        assert.deepEqual([found.status, found.attempts], ["sending", 1]);
        messenger.does = () => "show";
        await outbox();
        await inTime(
          "it is sent",
          life,
          found,
          async () => (await replyNow(ledger, found)).status === "sent",
        );
        const [first, second] = messenger.posts;
        assert.deepEqual(second, { ...first, attempt: 2 });
        assert.deepEqual(texts(messenger.shown), ["hello"]);
      });
    }));

  it("is marked by a channel that marks, also when an attempt in between never started", () =>
    withHome(
      async (live) => {
        await live(died);
        await live(async (life) => {
          const { ledger, messenger, outbox } = life;
          const found = await ledger.nextReply("sample", "sample:1");
          assert.ok(found !== null);
          messenger.does = deeds("be away", "show");
          await outbox();
          await inTime(
            "it is sent",
            life,
            found,
            async () => (await replyNow(ledger, found)).status === "sent",
          );
          assert.deepEqual(
            messenger.posts.map(({ mayBeDouble }) => mayBeDouble),
            [false, true, true],
          );
        });
      },
      { afterCrash: "mark" },
    ));

  it("is marked as a possible double also when it was given up meanwhile, and somebody asks for it again", () =>
    withLife(
      async (life) => {
        const { ledger, messenger, outbox } = life;
        messenger.does = deeds("break", "refuse", "show");
        const made = await replied(ledger, "sample:1", "hello");
        await outbox();
        const isUncertain = async () => (await replyNow(ledger, made)).status === "uncertain";
        await inTime("it is given up", life, made, isUncertain);
        await ledger.retryReply(made.id);
        await untilIs(ledger, made, "sent");
        assert.deepEqual(
          messenger.posts.map(({ mayBeDouble }) => mayBeDouble),
          [false, true, true],
        );
      },
      { afterCrash: "mark" },
    ));

  it("is held by a channel that holds, listed as uncertain, until somebody asks for a retry", () =>
    withHome(
      async (live) => {
        await live(died);
        await live(async ({ ledger, messenger, outbox }) => {
          messenger.does = () => "show";
          await outbox();
          await replied(ledger, "sample:1", "next");
          await eventually("the next is shown", () => messenger.shown.length === 2);
          const [held] = await ledger.failedReplies("", 10);
          assert.deepEqual([held?.text, held?.status], ["hello", "uncertain"]);
          assert.equal(messenger.posts.length, 2);
          await ledger.retryReply(held?.id ?? "");
          await eventually("it is posted again", () => messenger.posts.length === 3);
        });
      },
      { afterCrash: "hold" },
    ));
});

describe("the outbox", () => {
  it("brings hundreds of replies out that were made while the channel was down, each once and in order", () =>
    withHome(async (live) => {
      const chats = Array.from({ length: 30 }, (_, n) => `sample:${n}`);
      const numbers = Array.from({ length: 10 }, (_, n) => `${n}`);
      await live(async ({ ledger, messenger, outbox }) => {
        messenger.does = () => "be away";
        await outbox();
        await Promise.all(
          chats.map(async (chatId) => {
            for (const n of numbers) await replied(ledger, chatId, n);
          }),
        );
      });
      await live(async ({ messenger, clock, outbox }) => {
        messenger.does = () => "show";
        await outbox();
        await eventually("all are shown", () => {
          // Nobody here is slow: what waits was put off in the first life.
          clock.advance(500);
          return messenger.shown.length === chats.length * numbers.length;
        });
        for (const chatId of chats) {
          const shown = messenger.shown.filter((post) => post.chatId === chatId);
          assert.deepEqual(texts(shown), numbers);
        }
        assert.equal(new Set(messenger.shown.map(({ key }) => key)).size, messenger.shown.length);
      });
    }));

  it("makes a few attempts at once, reads no more replies than that, and none twice", () =>
    withLife(async ({ ledger, messenger, outbox }) => {
      for (let n = 0; n < 2 * attemptsAtOnce; n += 1) await replied(ledger, `sample:${n}`, `${n}`);
      const open = Promise.withResolvers<Deed>();
      messenger.does = () => open.promise;
      let reads = 0;
      const nextReply: Ledger["nextReply"] = (...of) => {
        reads += 1;
        return ledger.nextReply(...of);
      };
      await outbox({ ...ledger, nextReply });
      await eventually("as many are under way as may be", () => messenger.posts.length === attemptsAtOnce);
      await replied(ledger, "sample:0", "one more");
      assert.deepEqual([messenger.posts.length, reads], [attemptsAtOnce, attemptsAtOnce]);
      open.resolve("show");
      await eventually("all are shown", () => messenger.shown.length === 2 * attemptsAtOnce + 1);
      assert.equal(messenger.posts.length, messenger.shown.length);
    }));

  it("leaves an attempt alone when its chat is given another reply meanwhile", () =>
    withLife(async ({ ledger, messenger, outbox }) => {
      const slow = Promise.withResolvers<Deed>();
      messenger.does = ({ text }) => (text === "1 a" ? slow.promise : "show");
      const first = await replied(ledger, "sample:1", "1 a");
      await outbox();
      await eventually("it is posted", () => messenger.posts.length === 1);
      await replied(ledger, "sample:1", "1 b");
      await replied(ledger, "sample:2", "2 a");
      await eventually("another chat's is shown", () => messenger.shown.length === 1);
      assert.equal((await replyNow(ledger, first)).status, "sending");
      slow.resolve("show");
      await eventually("all are shown", () => messenger.shown.length === 3);
      assert.deepEqual(texts(messenger.posts), ["1 a", "2 a", "1 b"]);
    }));

  it("misses no reply that is made at the moment in which it finds none", () =>
    withLife(async ({ ledger, messenger, outbox }) => {
      let finds = 0;
      const nextReply: Ledger["nextReply"] = async (...of) => {
        const next = await ledger.nextReply(...of);
        if (next === null && ++finds === 1) await replied(ledger, "sample:1", "second");
        return next;
      };
      await outbox({ ...ledger, nextReply });
      await replied(ledger, "sample:1", "first");
      await eventually("both are shown", () => messenger.shown.length === 2);
      assert.deepEqual(texts(messenger.shown), ["first", "second"]);
    }));

  for (const code of ["storage_full", "storage_busy"] as const) {
    for (const method of ["nextReply", "deliver"] as const) {
      it(`waits while ${method} fails with ${code}, and loses and doubles nothing`, () =>
        withLife(async ({ ledger, messenger, clock, outbox }) => {
          const error = new LedgerError(code, "not now");
          await outbox(failing(ledger, method, error, 3));
          const made = await replied(ledger, "sample:1", "hello");
          for (let waits = 0; waits < 3; waits += 1) {
            await eventually("it waits", () => clock.timers === 1);
            assert.equal(messenger.posts.length, 0);
            clock.advance(1000);
          }
          await untilIs(ledger, made, "sent");
          assert.equal(messenger.posts.length, 1);
        }));
    }
  }

  it("does not count on what it could not record: such a reply may have gone out", () =>
    withLife(
      async ({ ledger, messenger, clock, outbox }) => {
        const broken = new LedgerError("storage_failed", "the disk is gone");
        const deliver: Ledger["deliver"] = async (id, delivery) => {
          if (delivery.status === "sent") throw broken;
          await ledger.deliver(id, delivery);
        };
        await outbox({ ...ledger, deliver });
        const made = await replied(ledger, "sample:1", "hello");
        await eventually("it is shown", () => messenger.shown.length === 1);
        await eventually("its chat waits", () => clock.timers === 1);
        clock.advance(5 * 60_000);
        await untilIs(ledger, made, "uncertain");
      },
      { afterCrash: "hold" },
    ));

  it("lets attempts end when it closes, begins none, and leaves the others for the next start", () =>
    withHome(async (live) => {
      await live(async ({ ledger, messenger, clock, outbox }) => {
        messenger.does = () => "show in silence";
        const [slow, dead] = [
          await replied(ledger, "sample:1", "slow"),
          await replied(ledger, "sample:2", "dead"),
        ];
        const waiting = await replied(ledger, "sample:1", "waiting");
        let listens = true;
        const onCommit: Ledger["onCommit"] = (listener) => {
          const unsubscribe = ledger.onCommit(listener);
          return () => {
            listens = false;
            unsubscribe();
          };
        };
        const it = await outbox({ ...ledger, onCommit });
        await eventually("both are shown", () => messenger.shown.length === 2);
        const closed = it.close(never);
        await messenger.acknowledge(slow.id);
        await untilIs(ledger, slow, "sent");
        clock.advance(closeMs);
        await within("the close", closed);
        assert.deepEqual({ timers: clock.timers, listens }, { timers: 0, listens: false });
        await replied(ledger, "sample:3", "too late");
        assert.equal(messenger.posts.length, 2);
        assert.equal((await replyNow(ledger, dead)).status, "sending");
        assert.equal((await replyNow(ledger, waiting)).status, "pending");
      });
      await live(async (life) => {
        const { ledger, messenger, outbox } = life;
        messenger.does = () => "show";
        await outbox();
        await eventually("what waited is shown", () => messenger.shown.length === 4);
        const dead = await ledger.nextReply("sample", "sample:2");
        assert.ok(dead !== null);
        await inTime("it is sent", life, dead, async () => (await replyNow(ledger, dead)).status === "sent");
        assert.deepEqual(texts(messenger.shown).toSorted(), ["dead", "slow", "too late", "waiting"]);
      });
    }));
});
