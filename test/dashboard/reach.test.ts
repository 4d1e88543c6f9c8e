/** The dashboard within everybody's reach: by keyboard, by screen reader, on a phone, in both themes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, describe, test } from "node:test";
import type { AxeResults } from "axe-core";
import { skip, startBrowser, type Visitor, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wide = { width: 1280, height: 800 };
const phone = { width: 360, height: 740 };

describe("the dashboard within everybody's reach", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after });
  const browser = await startBrowser({ after });
  const address = () => `${rig.daemon.url}/#token=${rig.token}`;
  const contact = (name: string) => ({ contact: { name, tier: "admin" } });
  rig.script("Fail", { kind: "error", status: 400, type: "invalid_request_error", message: "scripted" });
  const { promise: never, resolve: atLast } = Promise.withResolvers<void>();
  after(() => atLast());
  rig.script("Write", { kind: "text", text: "half of", tokens: ["half", " of"], hold: never });
  for (const text of ["I like tea", "Fail"])
    await rig.ended(await rig.tell("telegram:1", text, contact("Ada")));
  await rig.tell("telegram:1", "Write");
  await rig.ended(await rig.tell("telegram:2", "Hello", contact("Bob")));

  // A size changes what is there, a theme its colours: two of the four pairs show all.
  for (const [colorScheme, viewport] of [["light", wide] as const, ["dark", phone] as const]) {
    test(`nothing bars the way, ${colorScheme}, ${viewport.width} px`, async (t) => {
      const visitor = await visit(t, browser, address(), {
        colorScheme,
        viewport,
        script: axe,
        reducedMotion: "reduce",
        expected: /409/,
      });
      await visitor.chat("Ada").waitFor();
      await isAccessible(visitor, "the list");
      await visitor.page.getByRole("link", { name: "Overview" }).click();
      await visitor.page.getByRole("region", { name: "Cost today" }).waitFor();
      await isAccessible(visitor, "the overview");
      await visitor.page.goBack();
      await visitor.open("Ada");
      await visitor.draft.waitFor();
      await visitor.message("Fail").filter({ hasText: "failed" }).waitFor();
      await visitor.choose("Undo reset");
      await visitor.note("the chat has open messages").waitFor();
      await visitor.message("Fail").locator("summary").click();
      await isAccessible(visitor, "a chat");
      await visitor.page.getByRole("button", { name: "Details", exact: true }).click();
      await visitor.page.getByRole("complementary", { name: "Behind this chat" }).waitFor();
      await isAccessible(visitor, "what stands behind a chat");
      await visitor.page.getByRole("button", { name: "Close details" }).click();
      await visitor.page.getByRole("button", { name: "Actions" }).click();
      await isAccessible(visitor, "the menu");
      await visitor.page.getByRole("button", { name: /^Contact/ }).click();
      await isAccessible(visitor, "the contact");
      await visitor.page.keyboard.press("Escape");
      await visitor.choose("Reset");
      await isAccessible(visitor, "the question");
    });
  }

  test("nothing bars the way where the token is asked for, nor in a form with a mistake", async (t) => {
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=wrong`, {
      script: axe,
      expected: /40[01]/,
    });
    await visitor.page.getByRole("alert").waitFor();
    await isAccessible(visitor, "the token");
    await visitor.page.getByLabel("Token").fill(rig.token);
    await visitor.page.getByRole("button", { name: "Open" }).click();
    await visitor.proposeChat("x".repeat(257), "family");
    await visitor.dialog.getByRole("alert").waitFor();
    await isAccessible(visitor, "the mistake");
  });

  test("everything can be done by keyboard", async (t) => {
    const visitor = await visit(t, browser, address());
    const { keyboard } = visitor.page;
    await visitor.chat("Bob").waitFor();
    await tabTo(visitor, "New chat");
    await keyboard.press("Enter");
    await visitor.dialog.waitFor();
    await tabTo(visitor, "Chat id");
    await keyboard.type("by hand");
    await tabTo(visitor, "Tier");
    await keyboard.type("family");
    await keyboard.press("Tab");
    await tabTo(visitor, "Begin");
    await keyboard.press("Enter");
    await visitor.heading("by hand").waitFor();
    await focusIsOn(visitor, "Message to by hand");
    await keyboard.type("one");
    await keyboard.press("Shift+Enter");
    await keyboard.type("two");
    await keyboard.press("Enter");
    await visitor.answer("one\ntwo").waitFor();
    await tabTo(visitor, "Actions", "Shift+Tab");
    await keyboard.press("Enter");
    await tabTo(visitor, "Reset…");
    await keyboard.press("Enter");
    await visitor.dialog.waitFor();
    await tabTo(visitor, "Reset");
    await keyboard.press("Enter");
    await visitor.note("Reset: the next message begins a new conversation.").waitFor();
    await focusIsOn(visitor, "Actions");
    await tabTo(visitor, "Undo");
    await keyboard.press("Enter");
    await visitor.note("The earlier conversation is back.").waitFor();
    await tabTo(visitor, "Bob", "Shift+Tab");
    await keyboard.press("Enter");
    await visitor.heading("Bob").waitFor();
    await focusIsOn(visitor, "Message to Bob");
  });

  test("a finished reply is announced once, its pieces are not", async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    t.after(() => resolve());
    rig.script("Speak", { kind: "text", text: "one two", tokens: ["one", " two"], hold: promise });
    const visitor = await visit(t, browser, address());
    await visitor.begin("listener", "family");
    await visitor.say("Speak");
    await visitor.draft.filter({ hasText: "one" }).waitFor();
    assert.equal(await visitor.conversation.getAttribute("aria-live"), "off");
    const announcer = visitor.page.locator("#announcer");
    assert.equal(await announcer.innerText(), "");
    resolve();
    await announcer.getByText("one two").waitFor({ state: "attached" });
  });

  test("on a phone there is one pane at a time, and the back button leads to the list", async (t) => {
    const visitor = await visit(t, browser, address(), { viewport: phone, hasTouch: true, isMobile: true });
    await visitor.chat("Bob").tap();
    await visitor.heading("Bob").waitFor();
    assert.equal(await visitor.chats.isVisible(), false);
    await focusIsOn(visitor, "Bob");
    await visitor.page.goBack();
    await visitor.chats.waitFor();
    assert.equal(await visitor.conversation.isVisible(), false);
    await visitor.page.goForward();
    await visitor.heading("Bob").waitFor();
    await visitor.page.getByRole("link", { name: "All chats" }).tap();
    await visitor.chats.waitFor();
    await focusIsOn(visitor, "Bob");
  });

  test("on a touch keyboard Enter makes a line", async (t) => {
    const visitor = await visit(t, browser, address(), { viewport: phone, hasTouch: true, isMobile: true });
    await visitor.chat("Bob").tap();
    await visitor.say("not yet");
    assert.equal(await visitor.composer.inputValue(), "not yet\n");
    await visitor.page.getByRole("button", { name: "Send" }).tap();
    await visitor.status("not yet", "answered");
  });

  test("320 px are wide enough for everything, without scrolling sideways", async (t) => {
    const long = "w".repeat(200);
    await rig.ended(await rig.tell("wide", long, contact(long)));
    const visitor = await visit(t, browser, address(), { viewport: { width: 320, height: 640 } });
    const fits = async (what: string) => {
      const width = await visitor.page.evaluate("document.documentElement.scrollWidth");
      assert.equal(width, 320, `${what} scrolls sideways`);
      const cut = await visitor.page.evaluate(`
        [...document.querySelectorAll("button, input, select, textarea, .bubble")]
          .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth)
          .map((element) => element.outerHTML.slice(0, 80))
      `);
      assert.deepEqual(cut, [], `${what} is cut`);
    };
    await visitor.chat(long).waitFor();
    await fits("the list");
    await visitor.page.getByRole("link", { name: "Overview" }).click();
    await visitor.page.getByRole("region", { name: "Cost today" }).waitFor();
    await fits("the overview");
    await visitor.page.goBack();
    await visitor.chat(long).click();
    await visitor.answer("You said").waitFor();
    await visitor.message(long).locator("summary").click();
    await fits("a chat");
    await visitor.page.getByRole("button", { name: "Details", exact: true }).click();
    await visitor.page.getByRole("complementary", { name: "Behind this chat" }).waitFor();
    await fits("what stands behind a chat");
    await visitor.page.getByRole("button", { name: "Close details" }).click();
    await visitor.choose("Contact");
    // It opens with the next frame: a key before that would be the page's.
    const dialog = visitor.page.getByRole("dialog");
    await dialog.waitFor();
    await fits("the contact");
    await visitor.page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    await visitor.chat("Ada").waitFor({ state: "hidden" });
    await visitor.page.goBack();
    await visitor.open("Ada");
    await visitor.draft.waitFor();
    await fits("a busy chat");
  });

  test("who reads further up is left there, and comes to the latest by a button", async (t) => {
    const visitor = await visit(t, browser, address());
    await visitor.begin("scrolled", "family");
    const text = Array.from({ length: 60 }, (_, i) => `line ${i}`).join("\n");
    await rig.ask("scrolled", text);
    await visitor.answer("line 59").waitFor();
    const fromEnd = () =>
      visitor.conversation.evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight);
    await eventually("the end is shown", async () => (await fromEnd()) < 2);
    await visitor.conversation.evaluate((el) => el.scrollTo(0, 0));
    await visitor.page.getByRole("button", { name: "Latest" }).waitFor();
    await rig.ask("scrolled", "more");
    await visitor.answer("more").waitFor();
    assert.equal(await visitor.conversation.evaluate((el) => el.scrollTop), 0);
    await visitor.page.getByRole("button", { name: "Latest" }).click();
    await eventually("the end is shown again", async () => (await fromEnd()) < 2);
  });
});

/** No violation of WCAG's rules up to AA or of axe's own best practices. */
async function isAccessible({ page }: Visitor, what: string): Promise<void> {
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`),
  );
  assert.deepEqual(found, [], what);
}

/** The name of what has the focus: its label, or the first of its own words. */
function focused({ page }: Visitor): Promise<string> {
  return page.evaluate<string>(`{
    const element = document.activeElement;
    const words = element.querySelector("span:not([aria-hidden])") ?? element;
    (element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? words.textContent).trim();
  }`);
}

async function focusIsOn(visitor: Visitor, name: string): Promise<void> {
  await eventually(`the focus is on ${name}`, async () => (await focused(visitor)) === name);
}

/** Presses the key until the focus is on what has this name. */
async function tabTo(visitor: Visitor, name: string, key = "Tab"): Promise<void> {
  for (let i = 0; i < 60; i++) {
    if ((await focused(visitor)) === name) return;
    await visitor.page.keyboard.press(key);
  }
  assert.fail(`${name} is not reached by ${key}`);
}
