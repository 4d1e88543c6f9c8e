/** Talking in the dashboard: what is written, how it streams in, and each status as it changes. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { skip, startBrowser, type Visitor, visit } from "../support/browser.ts";
import { type DaemonRig, startDaemonRig } from "../support/daemon.ts";
import type { Scope } from "../support/eventually.ts";

describe("talking in the dashboard", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after }, { config: "processes.max = 2" });
  const browser = await startBrowser({ after });
  const enter = (scope: Scope, expected?: RegExp) =>
    visit(scope, browser, `${rig.daemon.url}/#token=${rig.token}`, expected && { expected });

  test("two chats answer at once, each with its text streaming in", async (t) => {
    const ada = heldAnswer(t, rig, "Tell me a story", "Once upon a time, ", "there was a switchboard.");
    const bob = heldAnswer(t, rig, "Count to four", "one two ", "three four");
    const visitor = await enter(t);
    await visitor.begin("telegram:1", "family", "Ada");
    await visitor.say("Tell me a story");
    await seesDraft(visitor, "Once upon a time, ");

    await visitor.begin("telegram:2", "family", "Bob");
    await visitor.say("Count to four");
    await seesDraft(visitor, "one two ");
    await visitor.status("Count to four", /sent/);
    await visitor.chat("Ada").filter({ hasText: "busy" }).waitFor();
    bob();
    await visitor.answer("one two three four").waitFor();
    await visitor.status("Count to four", "answered");

    await visitor.open("Ada");
    await visitor.status("Tell me a story", /sent/);
    ada();
    await visitor.answer("Once upon a time, there was a switchboard.").waitFor();
    await visitor.chat("Ada").filter({ hasText: "idle" }).waitFor();
    assert.deepEqual(await visitor.said(), ["Tell me a story", "Once upon a time, there was a switchboard."]);
  });

  test("text that streams is taken up in mid-turn, and what was missed of it comes with the reply", async (t) => {
    const release = heldAnswer(t, rig, "Go on", "The first half, ", "the second.");
    await rig.tell("late", "Go on", { contact: { tier: "family", name: "Late" } });
    await rig.requestWith("Go on");
    const visitor = await enter(t);
    await visitor.open("Late");
    await visitor.draft.waitFor();
    release();
    await visitor.answer("The first half, the second.").waitFor();
    await visitor.draft.waitFor({ state: "detached" });
  });

  test("a message waits for a slot, with its place, is sent and then answered", async (t) => {
    const releases = ["one", "two"].map((chat) => heldAnswer(t, rig, `Hold ${chat}`, "wait ", "no more"));
    for (const chat of ["one", "two"]) await rig.tell(`slot ${chat}`, `Hold ${chat}`);
    for (const chat of ["one", "two"]) await rig.requestWith(`Hold ${chat}`);
    const waiting = heldAnswer(t, rig, "I wait", "your ", "turn");
    const visitor = await enter(t);
    await visitor.begin("slot three", "family");
    await visitor.say("I wait");
    await visitor.status("I wait", "queued: waits for a slot, place 1");
    for (const release of releases) release();
    await visitor.status("I wait", /sent/);
    waiting();
    await visitor.status("I wait", "answered");
  });

  test("a message that fails says why, and so does a notice to its sender", async (t) => {
    rig.script("Fail", {
      kind: "error",
      status: 400,
      type: "invalid_request_error",
      message: "the text cannot be processed",
    });
    const visitor = await enter(t);
    await visitor.begin("failing", "family");
    await visitor.say("Fail");
    await visitor.status("Fail", /failed: .*the text cannot be processed/i);
    const notice = visitor.conversation.getByRole("article", { name: "Notice" });
    await notice.filter({ hasText: "could not be processed, and I left it out" }).waitFor();
    await visitor.draft.waitFor({ state: "detached" });
  });

  test("a message in mid-turn is handed over at once and answered too", async (t) => {
    const release = heldAnswer(t, rig, "Begin", "I am ", "writing");
    const visitor = await enter(t);
    await visitor.begin("steered", "family");
    await visitor.say("Begin");
    await seesDraft(visitor, "I am ");
    await visitor.say("And this");
    await visitor.status("And this", /sent/);
    release();
    await visitor.status("Begin", "answered");
    await visitor.status("And this", "answered");
    await visitor.answer("And this").waitFor();
  });

  test("stop ends the running turn and what waits, and says so", async (t) => {
    heldAnswer(t, rig, "Never end", "and so on, ", "and on");
    const visitor = await enter(t);
    await visitor.begin("stopped", "family");
    await visitor.say("Never end");
    await seesDraft(visitor, "and so on, ");
    await visitor.page.getByRole("button", { name: "Stop" }).click();
    await visitor.status("Never end", "stopped while Claude worked on it");
    await visitor.note("Stopped 1 message.").waitFor();
    await visitor.draft.waitFor({ state: "detached" });
    assert.equal(await visitor.page.getByRole("button", { name: "Stop" }).isDisabled(), true);
  });

  test("a tool that runs is told while it runs", async (t) => {
    rig.script(
      "Look",
      { kind: "tool", name: "Bash", input: { command: "sleep 30", description: "sleeps" } },
      { kind: "text", text: "done" },
    );
    const visitor = await enter(t);
    await visitor.begin("tools", "admin");
    await visitor.say("Look");
    await visitor.draft.getByText("uses Bash").waitFor();
    await visitor.status("Look", "sent: a tool is running");
    await visitor.page.getByRole("button", { name: "Stop" }).click();
    await visitor.status("Look", "stopped while Claude worked on it");
    await visitor.draft.waitFor({ state: "detached" });
  });

  test("what people and models write is text, whatever it looks like", async (t) => {
    const nasty = `<img src=x onerror="document.title='run'"> <b>bold</b> \${1} &amp;`;
    rig.script(nasty, { kind: "text", text: nasty });
    const visitor = await enter(t);
    await visitor.begin(`"><script>alert(1)</script>`, "family", "<i>Eve</i>");
    await visitor.say(nasty);
    await visitor.answer("bold").waitFor();
    assert.deepEqual(await visitor.said(), [nasty, nasty]);
    assert.equal(await visitor.page.locator("#app :is(b, i:not(.dots i), script, img[src=x])").count(), 0);
    assert.match(await visitor.page.title(), /^<i>Eve<\/i>/);
  });

  test("the list is ordered by the last message and counts what is open", async (t) => {
    const release = heldAnswer(t, rig, "Later", "not ", "yet");
    const visitor = await enter(t);
    await rig.ask("quiet one", "Hello");
    await rig.tell("loud one", "Later");
    await visitor.chats
      .getByRole("listitem")
      .first()
      .filter({ hasText: /loud one.*1 message open/s })
      .waitFor();
    release();
    await visitor.chat("loud one").filter({ hasNotText: "open" }).waitFor();
    await rig.ask("quiet one", "Me again");
    await visitor.chats.getByRole("listitem").first().filter({ hasText: "quiet one" }).waitFor();
  });

  test("earlier messages come in above, page by page, in order and once", async (t) => {
    for (let i = 1; i <= 30; i++) await rig.ask("long", `Message ${i}`);
    const visitor = await enter(t);
    await visitor.open("long");
    await visitor.message("Message 30").waitFor();
    assert.equal((await visitor.said()).length, 50);
    await visitor.page.getByRole("button", { name: "Earlier messages" }).click();
    await visitor.conversation.getByText("Message 1", { exact: true }).waitFor();
    const said = (await visitor.said()).filter((_, i) => i % 2 === 0);
    assert.deepEqual(
      said,
      Array.from({ length: 30 }, (_, i) => `Message ${i + 1}`),
    );
  });
});

/** The model streams `first` as the answer to `text`, and `second` when the returned function is called, at the scope's end at the latest. */
function heldAnswer(scope: Scope, rig: DaemonRig, text: string, first: string, second: string): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.script(text, { kind: "text", text: first + second, tokens: [first, second], hold: promise });
  scope.after(async () => resolve());
  return resolve;
}

/** The reply is seen half-way. */
async function seesDraft(visitor: Visitor, text: string): Promise<void> {
  await visitor.draft.filter({ hasText: text.trim() }).waitFor();
}
