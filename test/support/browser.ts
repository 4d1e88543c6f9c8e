/**
 * The dashboard in a real browser: headless Chromium, as a visitor sees it. Whatever a page complains about fails
 * its test: errors in its console, its policy violated, a request to another address than its daemon's.
 *
 * The browser is found by CHROMIUM (a path) or on PATH. Without one these tests are skipped, or with
 * REQUIRE_BROWSER=1 fail.
 */
import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { patienceMs, type Scope } from "./eventually.ts";

/** The first has no windows to draw, which saves a quarter of the CPU time. */
const names = [
  "chromium-headless-shell",
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "chrome",
];
const executablePath = process.env.CHROMIUM ?? onPath();

/** How the page learns that there is no chat of a name yet: no complaint, but Chromium prints it. */
const missingChat = /status of 404 .*\/v1\/chats\/[^/]+\)$/;

/** For the `skip` of each suite: why there is no browser, or false. */
export const skip: string | false =
  executablePath !== undefined || process.env.REQUIRE_BROWSER === "1"
    ? false
    : "no Chromium: set CHROMIUM to its path, or install Debian's package chromium";

/** It ends with its scope. */
export async function startBrowser(scope: Scope): Promise<Browser> {
  if (executablePath === undefined) throw new Error("REQUIRE_BROWSER is set, but there is no Chromium");
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  scope.after(() => browser.close());
  return browser;
}

export interface VisitOptions extends BrowserContextOptions {
  /** What the page may complain about in its console, because the test makes it so. */
  expected?: RegExp;
  /** Runs in each page before its own scripts. */
  script?: string;
}

/** A visitor with a tab of their own. What the page has complained about fails the scope at its end. */
export async function visit(
  scope: Scope,
  browser: Browser,
  address: string,
  { expected, script, ...options }: VisitOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(patienceMs);
  if (script !== undefined) await context.addInitScript(script);
  const page = await context.newPage();
  const complaints: string[] = [];
  const { origin } = new URL(address);
  page.on("console", (message) => {
    const text = `${message.text()} (${message.location().url})`;
    const harmless = missingChat.test(text) || expected?.test(text) === true;
    if (["error", "warning"].includes(message.type()) && !harmless) complaints.push(text);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`requested ${request.url()}`);
  });
  scope.after(async () => {
    await context.close();
    assert.deepEqual(complaints, [], "the page has complained");
  });
  await page.goto(address);
  return new Visitor(page);
}

/** What a visitor does and sees, in the words of the page. */
export class Visitor {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  // Where things are

  get chats(): Locator {
    return this.page.getByRole("navigation", { name: "Chats" });
  }

  get conversation(): Locator {
    return this.page.getByRole("log", { name: "Conversation" });
  }

  get composer(): Locator {
    return this.page.getByRole("textbox", { name: /^Message to / });
  }

  get dialog(): Locator {
    return this.page.getByRole("dialog");
  }

  /** The chat's line in the list. */
  chat(name: string): Locator {
    return this.chats.getByRole("link", { name });
  }

  /** A message of the visitor's, with its status. */
  message(text: string): Locator {
    return this.#said(/^Message/, text);
  }

  answer(text: string | RegExp): Locator {
    return this.#said(/^Answer$/, text);
  }

  /** By what is said in it, not by what is told below it of its way. */
  #said(name: RegExp, text: string | RegExp): Locator {
    const bubble = this.page.locator(".bubble", { hasText: text });
    return this.conversation.getByRole("article", { name }).filter({ has: bubble });
  }

  /** Of the chat that is open. */
  heading(name: string): Locator {
    return this.page.getByRole("main").getByRole("heading", { name, level: 2, exact: true });
  }

  get draft(): Locator {
    return this.conversation.getByRole("article", { name: "Answer being written" });
  }

  /** What the page says about the last action. */
  note(text: string | RegExp): Locator {
    return this.page.getByRole("status").filter({ hasText: text });
  }

  // What a visitor does

  async open(name: string): Promise<void> {
    await this.chat(name).click();
    await this.heading(name).waitFor();
  }

  async say(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** An entry of the menu of actions. */
  async choose(name: string): Promise<void> {
    await this.page.getByRole("button", { name: "Actions" }).click();
    await this.page.getByRole("button", { name: new RegExp(`^${name}`) }).click();
  }

  /** A new chat; resolves when one can talk in it. */
  async begin(chatId: string, tier: string, name = ""): Promise<void> {
    await this.proposeChat(chatId, tier, name);
    await this.heading(name === "" ? chatId : name).waitFor();
  }

  /** Hands in the form of a new chat, whatever comes of it. */
  async proposeChat(chatId: string, tier: string, name = ""): Promise<void> {
    await this.page.getByRole("button", { name: "New chat" }).click();
    await this.dialog.getByLabel("Chat id").fill(chatId);
    await this.dialog.getByLabel("Name").fill(name);
    await this.dialog.getByLabel("Tier").selectOption(tier);
    await this.dialog.getByRole("button", { name: "Begin" }).click();
  }

  // What a visitor sees

  /** Resolves when a message's status is as said. */
  async status(text: string, status: string | RegExp): Promise<void> {
    await this.message(text).filter({ hasText: status }).waitFor();
  }

  /** The messages and replies that are shown, from the first; not what is still being written. */
  async said(): Promise<string[]> {
    return await this.conversation.locator(".message:not(.draft) .bubble").allInnerTexts();
  }
}

function onPath(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
