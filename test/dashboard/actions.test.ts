/** What can be done to a chat from the dashboard, each with what it has done by the API's account. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { skip, startBrowser, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually, type Scope } from "../support/eventually.ts";
import { isAlive } from "../support/processes.ts";

describe("a chat's actions in the dashboard", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after });
  const browser = await startBrowser({ after });
  const enter = (scope: Scope, expected?: RegExp) =>
    visit(scope, browser, `${rig.daemon.url}/#token=${rig.token}`, expected && { expected });

  test("close ends the process and keeps the conversation", async (t) => {
    await rig.ask("closed", "I like tea");
    const pid = await rig.pid("closed");
    const visitor = await enter(t);
    await visitor.open("closed");
    await visitor.choose("Close");
    await visitor.note("Closed the process. The conversation stays.").waitFor();
    assert.equal(isAlive(pid), false);
    await visitor.chat("closed").filter({ hasText: "dormant" }).waitFor();
    await visitor.say("What did I say?");
    await visitor.answer('You said, newest first: "I like tea".').waitFor();
    await visitor.choose("Close");
    await visitor.note("Closed the process. The conversation stays.").waitFor();
    await visitor.choose("Close");
    await visitor.note("There was nothing to do.").waitFor();
  });

  test("restart serves the same conversation by a new process", async (t) => {
    await rig.ask("restarted", "I like tea");
    const before = await rig.chat("restarted");
    const visitor = await enter(t);
    await visitor.open("restarted");
    await visitor.choose("Restart");
    await visitor.note("Restarted: a new process goes on with the same conversation.").waitFor();
    await visitor.chat("restarted").filter({ hasText: "idle" }).waitFor();
    const now = await eventually("a new process", async () => {
      const chat = await rig.chat("restarted");
      return chat.process !== null && chat.process.pid !== before.process?.pid ? chat : undefined;
    });
    assert.equal(now.sessionId, before.sessionId);
  });

  test("reset asks first, begins a new conversation, and is undone by the button beside its answer", async (t) => {
    await rig.ask("reset", "I like tea");
    const visitor = await enter(t);
    await visitor.open("reset");
    await visitor.choose("Reset");
    await visitor.dialog.getByRole("button", { name: "Cancel" }).click();
    await visitor.dialog.waitFor({ state: "detached" });
    assert.notEqual((await rig.chat("reset")).sessionId, null);

    await visitor.choose("Reset");
    await visitor.dialog.getByRole("button", { name: "Reset", exact: true }).click();
    await visitor.note("Reset: the next message begins a new conversation.").waitFor();
    assert.equal((await rig.chat("reset")).sessionId, null);
    await visitor.conversation.getByText("A new conversation begins here.").waitFor();
    await visitor.say("What did I say?");
    await visitor.answer("You have not said anything yet.").waitFor();

    await visitor.page.getByRole("button", { name: "Undo", exact: true }).click();
    await visitor.note("The earlier conversation is back.").waitFor();
    await visitor.say("What did I say before?");
    await visitor.answer("I remember 1 earlier message.").waitFor();
  });

  test("undo from the menu brings the conversation before the reset back; without one it says so", async (t) => {
    await rig.ask("undone", "I like tea");
    const { sessionId } = await rig.chat("undone");
    const visitor = await enter(t, /404/);
    await visitor.open("undone");
    await visitor.choose("Undo reset");
    await visitor.note("there is no reset to undo").waitFor();
    await visitor.choose("Reset");
    await visitor.dialog.getByRole("button", { name: "Reset", exact: true }).click();
    await visitor.note("Reset: ").waitFor();
    await visitor.choose("Undo reset");
    await visitor.note("The earlier conversation is back.").waitFor();
    assert.equal((await rig.chat("undone")).sessionId, sessionId);
  });

  test("what cannot be done now is said in the API's own words", async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    t.after(() => resolve());
    rig.script("Wait", { kind: "text", text: "one two", tokens: ["one ", "two"], hold: promise });
    const visitor = await enter(t, /409/);
    await visitor.begin("busy", "family");
    await visitor.say("Wait");
    await visitor.draft.filter({ hasText: "one" }).waitFor();
    await visitor.choose("Undo reset");
    await visitor.note("the chat has open messages. Stop it, or wait for its answers.").waitFor();
  });

  test("a new chat has the name, tier, kind and queue mode that it was given", async (t) => {
    const visitor = await enter(t);
    await visitor.page.getByRole("button", { name: "New chat" }).click();
    await visitor.dialog.getByLabel("Chat id").fill("signal:group.x/y=");
    await visitor.dialog.getByLabel("Name").fill("The family");
    await visitor.dialog.getByLabel("Tier").selectOption("family");
    await visitor.dialog.getByLabel("While Claude works").selectOption("collect");
    await visitor.dialog.getByLabel("Several people").check();
    await visitor.dialog.getByRole("button", { name: "Begin" }).click();
    await visitor.heading("The family").waitFor();
    const { contact } = await rig.chat("signal:group.x/y=");
    assert.deepEqual(contact, { name: "The family", tier: "family", group: true, queueMode: "collect" });
    assert.equal(new URL(visitor.page.url()).hash, "#/chats/signal%3Agroup.x%2Fy%3D");
  });

  test("bad input of a new chat is told at its field, and nothing that was written is lost", async (t) => {
    const visitor = await enter(t, /40[09]/);
    const field = (name: string) =>
      visitor.dialog.getByRole(name === "Tier" ? "combobox" : "textbox", { name });
    const problem = async (name: string, said: RegExp) => {
      await visitor.dialog.getByRole("alert").filter({ hasText: said }).waitFor();
      assert.equal(await field(name).getAttribute("aria-invalid"), "true");
      const described = (await field(name).getAttribute("aria-describedby")) ?? "";
      const texts = described.split(" ").map((id) => visitor.page.locator(`[id="${id}"]`).innerText());
      assert.match((await Promise.all(texts)).join("\n"), said);
    };
    await visitor.proposeChat("x".repeat(257), "family", "Somebody");
    await problem("Chat id", /must be 1 to 256 bytes/);
    assert.equal(await field("Name").inputValue(), "Somebody");
    await visitor.page.keyboard.press("Escape");
    await visitor.dialog.waitFor({ state: "detached" });
    await visitor.proposeChat(" ", "family");
    await problem("Chat id", /not empty/);
    await field("Chat id").fill("new one");
    await field("Name").fill("n".repeat(257));
    await visitor.dialog.getByRole("button", { name: "Begin" }).click();
    await problem("Name", /256/);
    await field("Name").fill("");
    await field("Tier").selectOption("");
    await visitor.dialog.getByRole("button", { name: "Begin" }).click();
    await problem("Tier", /no such tier \(allowed: admin/);
    await field("Tier").selectOption("bots");
    await visitor.dialog.getByRole("button", { name: "Begin" }).click();
    await visitor.heading("new one").waitFor();
    await visitor.proposeChat("new one", "admin");
    await problem("Chat id", /there is a chat of this name already/);
    assert.equal((await rig.chat("new one")).contact.tier, "bots");
  });

  test("a refused contact's message says so and keeps its text, until the tier is another", async (t) => {
    const visitor = await enter(t, /403/);
    await visitor.begin("stranger", "unknown");
    await visitor.say("Let me in");
    await visitor.status("Let me in", /not sent: .*unknown/);
    await visitor.choose("Contact");
    await visitor.dialog.getByLabel("Tier").selectOption("bots");
    await visitor.dialog.getByRole("button", { name: "Save" }).click();
    await visitor.dialog.waitFor({ state: "detached" });
    assert.equal((await rig.chat("stranger")).contact.tier, "bots");
    await visitor.message("Let me in").getByRole("button", { name: "Send again" }).click();
    await visitor.answer('You said: "Let me in".').waitFor();
    assert.deepEqual(await visitor.said(), [
      "Let me in",
      'You said: "Let me in". I remember no earlier messages.',
    ]);
  });

  test("a text that is too long can be taken back and shortened", async (t) => {
    const visitor = await enter(t, /413/);
    await visitor.begin("long", "bots");
    await visitor.say("x".repeat(262_145));
    await visitor.status("xxx", /not sent: /);
    await visitor.message("xxx").getByRole("button", { name: "Edit" }).click();
    await eventually(
      "the text is back",
      async () => (await visitor.composer.inputValue()).length === 262_145,
    );
    await visitor.say("x");
    await visitor.answer('You said: "x".').waitFor();
    assert.equal((await visitor.said()).length, 2);
  });
});
