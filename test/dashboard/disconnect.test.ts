/** The dashboard without its daemon, and with it again: nothing is lost, nothing doubled, nobody reloads the page. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { skip, startBrowser, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { open } from "../support/model.ts";

describe("a dashboard whose daemon goes away", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after });
  const browser = await startBrowser({ after });

  test("goes on by itself when a killed daemon is back: unsent text stays, what was sent meanwhile arrives once", async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    t.after(() => resolve());
    rig.script("Count", { kind: "text", text: "one two", tokens: ["one", " two"], hold: promise });
    const { port } = new URL(rig.daemon.url);
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`, {
      expected: /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_SOCKET|status of 503/,
    });
    const disconnected = visitor.page.getByRole("status").filter({ hasText: "Disconnected" });
    await visitor.begin("ada", "family", "Ada");
    await visitor.say("I like tea");
    await visitor.status("I like tea", "answered");
    await visitor.say("Count");
    await visitor.draft.filter({ hasText: "one" }).waitFor();

    await rig.kill();
    await disconnected.waitFor();
    await visitor.say("Sent meanwhile");
    await visitor.status("Sent meanwhile", /not sent yet/);
    await visitor.composer.fill("Not finished");
    await rig.start({ port: Number(port) });

    await disconnected.waitFor({ state: "detached" });
    // The turn that was cut is taken up again.
    resolve();
    await visitor.status("Sent meanwhile", "answered");
    await visitor.status("Count", "answered");
    assert.equal(await visitor.composer.inputValue(), "Not finished");
    await visitor.say("What did I say?");
    await visitor.answer("You said, newest first").filter({ hasText: '"I like tea"' }).waitFor();
    const messages = (
      await visitor.conversation.getByRole("article", { name: "Message" }).allInnerTexts()
    ).map((text) => text.split("\n", 1)[0]);
    assert.deepEqual(messages, ["I like tea", "Count", "Sent meanwhile", "What did I say?"]);
    await visitor.draft.waitFor({ state: "detached" });
    const shown = await visitor.said();
    await visitor.page.reload();
    await visitor.answer("You said, newest first").filter({ hasText: '"I like tea"' }).waitFor();
    assert.deepEqual(await visitor.said(), shown);
  });

  test("whose answer got lost on its way sends the message once", async (t) => {
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`, {
      expected: /ERR_FAILED/,
    });
    await visitor.begin("once", "family");
    let lost = 0;
    await visitor.page.route("**/v1/chats/once/messages", async (route) => {
      if (route.request().method() !== "POST" || lost > 0) return await route.continue();
      lost++;
      await route.fetch();
      await route.abort();
    });
    await visitor.say("Hello");
    await visitor.status("Hello", "answered");
    await visitor.say("And now");
    await visitor.answer("I remember 1 earlier message.").waitFor();
    assert.equal(lost, 1);
    const asked = rig.model.requests().filter((request) => request.kind === "messages");
    assert.equal(asked.filter((request) => open(request).at(-1) === "Hello").length, 1);
  });

  test("keeps no stream open while nobody sees it, and is up to date when it is shown", async (t) => {
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    await visitor.begin("hidden", "family");
    await visitor.say("Hello");
    await visitor.status("Hello", "answered");
    const ended = Promise.all([
      visitor.page.waitForEvent("requestfailed", (request) =>
        request.url().endsWith("/v1/events?text=false"),
      ),
      visitor.page.waitForEvent("requestfailed", (request) =>
        request.url().endsWith("/v1/chats/hidden/events"),
      ),
    ]);
    await hide(true);
    await ended;
    await rig.ask("hidden", "While you were away");
    assert.equal(await visitor.message("While you were away").count(), 0);
    await hide(false);
    await visitor.answer('You said: "While you were away".').waitFor();
    await visitor.chats.getByRole("listitem").first().filter({ hasText: "hidden" }).waitFor();
    assert.equal((await visitor.said()).length, 4);

    async function hide(hidden: boolean): Promise<void> {
      await visitor.page.evaluate(`
        Object.defineProperty(document, "hidden", { configurable: true, get: () => ${hidden} });
        document.dispatchEvent(new Event("visibilitychange"));
      `);
    }
  });
});
