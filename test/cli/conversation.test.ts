import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { Conversation } from "../../src/cli/conversation.ts";
import type { EventView } from "../../src/views.ts";

describe("a conversation", () => {
  let screen: string;
  let conversation: Conversation;
  let seq: number;
  beforeEach(() => {
    screen = "";
    seq = 0;
    conversation = new Conversation({
      event() {},
      piece: ({ offset, text }) => {
        screen += `${offset}:${text} `;
      },
      tool: (name) => {
        screen += `{${name}}`;
      },
      reply: (text) => {
        screen += `${text}|`;
      },
      notice: (text) => {
        screen += `(${text})`;
      },
      unanswered: (why) => {
        screen += `!${why}|`;
      },
      typed() {},
    });
    conversation.expect("mine");
  });

  type Part<T> = T extends unknown ? Partial<T> : never;
  const on = (event: Part<EventView>) =>
    conversation.on({ chatId: "c", seq: ++seq, at: "", ...event } as EventView);
  const message = (status: "queued" | "answered" | "failed", more = {}) =>
    on({
      type: "message",
      message: {
        id: "m",
        externalId: "mine",
        seq: 1,
        text: "x",
        attachments: [],
        status,
        ran: null,
        tries: 1,
        error: null,
        replyId: status === "answered" ? "r" : null,
        ...more,
      },
    });
  const turn = () => on({ type: "turn", turnId: "t", state: "started", messageIds: ["m"] });
  const piece = (offset: number, text: string, turnId = "t") => on({ type: "text", turnId, offset, text });
  const reply = (text: string, answers = ["m"]) =>
    on({
      type: "reply",
      reply: { id: "r", kind: "answer", text, answers, status: "sent", attempts: 0, error: null },
    });

  it("shows a reply as it is written, and once", () => {
    message("queued");
    turn();
    piece(0, "Hel");
    assert.equal(screen, "0:Hel ");
    on({ type: "tool", turnId: "t", toolUseId: "u", name: "Read", state: "started" });
    on({ type: "tool", turnId: "t", toolUseId: "u", name: "Read", state: "finished" });
    piece(3, "lo");
    reply("Hello");
    assert.ok(!conversation.isIdle);
    message("answered");
    assert.ok(conversation.isIdle);
    assert.equal(screen, "0:Hel {Read}3:lo Hello|");
  });

  it("is done when both the end and the reply have been seen, in either order", () => {
    message("queued");
    message("answered");
    assert.ok(!conversation.isIdle);
    reply("Hello");
    assert.ok(conversation.isIdle);
    assert.deepEqual([screen, conversation.unanswered], ["Hello|", 0]);
  });

  it("shows a notice while an answer is waited for, once, and waits on; not one about what has ended", () => {
    message("queued");
    const notice = (id: string) =>
      on({
        type: "reply",
        reply: {
          id,
          kind: "notice",
          text: "Later.",
          answers: ["m"],
          status: "sent",
          attempts: 0,
          error: null,
        },
      });
    notice("n1");
    notice("n1");
    assert.ok(!conversation.isIdle);
    message("failed", { error: { code: "x", message: "it broke" } });
    notice("n2");
    assert.equal(screen, "(Later.)!failed: it broke|");
  });

  it("hands on a piece that rewrites earlier text as it is", () => {
    message("queued");
    turn();
    piece(0, "first try");
    piece(0, "second");
    reply("second try");
    assert.equal(screen, "0:first try 0:second second try|");
  });

  it("shows pieces that came before it was known whose turn it is, as they stand by then", () => {
    piece(0, "Hel");
    piece(2, "LLO");
    message("queued");
    assert.equal(screen, "");
    turn();
    assert.equal(screen, "0:HeLLO ");
    piece(5, "!");
    assert.equal(screen, "0:HeLLO 5:! ");
  });

  it("shows nothing of what others say in the same chat", () => {
    on({ type: "turn", turnId: "other", state: "started", messageIds: ["theirs"] });
    piece(0, "to them", "other");
    reply("to them", ["theirs"]);
    message("answered", { id: "theirs", externalId: null });
    assert.equal(screen, "");
    assert.ok(!conversation.isIdle);
  });

  it("says why there was no answer, and counts it", () => {
    message("queued");
    message("failed", { error: { code: "interrupted", message: "the process died" } });
    assert.deepEqual(
      [screen, conversation.unanswered, conversation.isIdle],
      ["!failed: the process died|", 1, true],
    );
  });

  it("catches up with a message that has ended while nobody listened", () => {
    message("queued");
    assert.deepEqual(conversation.openIds, ["m"]);
    conversation.see({
      id: "m",
      externalId: "mine",
      chatId: "c",
      seq: 1,
      text: "x",
      attachments: [],
      status: "answered",
      ran: null,
      waiting: null,
      tries: 1,
      error: null,
      acceptedAt: "",
      sentAt: "",
      endedAt: "",
      reply: {
        id: "r",
        kind: "answer",
        text: "Hello",
        answers: ["m"],
        status: "sent",
        attempts: 0,
        error: null,
      },
    });
    assert.deepEqual([screen, conversation.isIdle], ["Hello|", true]);
  });

  it("tells when nothing is open any more", () => {
    let idle = 0;
    conversation.onIdle = () => idle++;
    conversation.expect("second");
    message("failed");
    assert.equal(idle, 0);
    conversation.forget("second");
    assert.ok(conversation.isIdle);
  });
});
