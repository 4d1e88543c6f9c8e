import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Told } from "../../src/cli/told.ts";
import type { ReplyView } from "../../src/views.ts";

describe("what has been told", () => {
  it("is told once, and not as it was before", () => {
    const told = new Told();
    const status = (status: "queued" | "sent" | "answered", tries: number) =>
      told.message({ id: "m", status, tries });
    assert.equal(status("sent", 1), "new");
    assert.equal(status("queued", 0), "old");
    assert.equal(status("sent", 1), "old");
    assert.equal(status("queued", 1), "changed");
    assert.equal(status("sent", 2), "changed");
    assert.equal(status("answered", 2), "changed");
    assert.equal(status("sent", 2), "old");
    assert.equal(status("answered", 2), "old");
  });

  it("is told again of a reply when its delivery has gone on", () => {
    const told = new Told();
    const reply = (status: ReplyView["status"], attempts: number, at = "made") =>
      told.reply({ id: "r", status, attempts }, at);
    assert.equal(reply("pending", 0), "new");
    assert.equal(reply("sending", 1), "changed");
    assert.equal(reply("sending", 1), "old");
    assert.equal(reply("pending", 1), "changed");
    assert.equal(reply("sending", 2), "changed");
    assert.equal(reply("pending", 1), "old");
    assert.equal(reply("failed", 2), "changed");
    assert.equal(reply("failed", 2), "old");
  });

  it("is told again of a reply that is sent again on request, but not of its beginning", () => {
    const told = new Told();
    const reply = (status: ReplyView["status"], attempts: number, at: string) =>
      told.reply({ id: "r", status, attempts }, at);
    assert.equal(reply("failed", 2, "made"), "new");
    assert.equal(reply("pending", 0, "made"), "old");
    assert.equal(reply("sending", 1, "soon"), "old");
    assert.equal(reply("pending", 0, "later"), "changed");
    assert.equal(reply("pending", 0, "later"), "old");
    assert.equal(reply("sending", 1, "later"), "changed");
    assert.equal(reply("sent", 1, "later"), "changed");
    assert.equal(reply("pending", 0, "later"), "old");
  });

  it("is remembered while it may go on, and only so long", () => {
    const told = new Told();
    const tell = (id: string, status: "queued" | "sent" | "answered") =>
      told.event({
        type: "message",
        seq: 1,
        at: "",
        chatId: "c",
        message: {
          id,
          externalId: null,
          seq: 1,
          text: "",
          attachments: [],
          status,
          ran: null,
          tries: status === "queued" ? 0 : 1,
          error: null,
          replyId: null,
        },
      });
    told.message({ id: "of the page", status: "answered", tries: 1 });
    tell("open", "queued");
    tell("first", "answered");
    assert.equal(tell("first", "answered"), "old");
    for (let n = 0; n < 5000; n++) tell(`m${n}`, "answered");
    assert.equal(tell("open", "sent"), "changed");
    assert.equal(tell("of the page", "answered"), "old");
    assert.equal(tell("m4999", "answered"), "old");
    assert.equal(tell("first", "answered"), "new");
  });

  it("is told of everything that no page tells of", () => {
    const told = new Told();
    const event = { type: "notice", seq: 1, at: "", chatId: "c", code: "x", text: "y" } as const;
    assert.deepEqual([told.event(event), told.event(event)], ["new", "new"]);
  });
});
