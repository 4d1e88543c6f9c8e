import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Told } from "../../src/cli/told.ts";

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
    assert.equal(told.reply({ id: "r", status: "pending" }), "new");
    assert.equal(told.reply({ id: "r", status: "failed" }), "changed");
    assert.equal(told.reply({ id: "r", status: "failed" }), "old");
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
