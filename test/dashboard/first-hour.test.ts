/**
 * The story of the project's first hours, in one piece: somebody who has never seen it gets the sources, runs the one
 * command, opens the address that it prints, talks to two chats, kills the daemon, starts it again, and both are
 * remembered. Then they sit in the operator's chair: with a config of their own and a model elsewhere they see why a
 * message waits, stop a turn, let somebody in, allow a tool, raise a budget, back up, lose everything, and go on.
 * By the README's commands and the dashboard alone. Real from end to end: the launcher installs from the registry, the
 * model is the built-in one, and later a scripted one.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { type OfflineModel, startOffline } from "../../src/offline/index.ts";
import { skip, startBrowser, type Visitor, visit } from "../support/browser.ts";
import { eventually, within } from "../support/eventually.ts";
import { requestWith, script } from "../support/model.ts";
import { isAlive, killHard, processesOf } from "../support/processes.ts";
import { credential } from "../support/rig.ts";

const root = join(import.meta.dirname, "../..");
/** ms that npm may take to install everything. */
const installMs = 10 * 60_000;

const notACheckout = existsSync(join(root, ".git")) ? false : "not a git checkout: there is nothing to clone";

describe("the first hour", { skip: skip || notACheckout }, async () => {
  if (skip !== false || notACheckout !== false) return;
  const browser = await startBrowser({ after });
  // The visitor stays from one step to the next.
  const leave: Array<() => Promise<void>> = [];
  const stay = { after: (end: () => Promise<void>) => void leave.push(end) };
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "first-hour-"));
  const clone = join(folder, "switchboard");
  const home = join(folder, "home/.switchboard");
  let running: Running | null = null;
  let visitor: Visitor;
  after(async () => {
    for (const end of leave) await end();
    if (running !== null) await running.kill();
    for (const { pid } of processesOf(home)) killHard(pid);
    rmSync(folder, { recursive: true, force: true });
  });

  test("the sources are there, and nothing is installed", () => {
    copyCheckout(clone);
    assert.equal(existsSync(join(clone, "node_modules")), false);
  });

  test("one command installs what is missing and prints the address to open", async () => {
    mkdirSync(join(folder, "home"));
    running = start(clone, join(folder, "home"));
    await within("it answers", running.started, installMs);
    assert.match(running.output, /installing the dependencies/);
    assert.match(running.address, /^http:\/\/127\.0\.0\.1:\d+\/#token=.+$/);
  });

  test("one talks to two chats in the dashboard", async () => {
    assert.ok(running);
    visitor = await visit(stay, browser, running.address, { expected: /ERR_CONNECTION|ERR_INCOMPLETE|503/ });
    await visitor.page.getByRole("button", { name: "Begin a chat" }).waitFor();
    await visitor.begin("ada", "family", "Ada");
    await visitor.say("I like tea");
    await visitor.status("I like tea", "answered");
    await visitor.begin("bob", "family", "Bob");
    await visitor.say("I play the cello");
    await visitor.status("I play the cello", "answered");
  });

  test("the daemon is killed, and nothing of it is left", async () => {
    assert.ok(running);
    const { pid } = (await (await fetch(new URL("/healthz", running.address))).json()) as { pid: number };
    killHard(pid);
    await within("the command has ended", running.ended);
    assert.equal(isAlive(pid), false);
    await eventually("its Claude processes are gone", () => processesOf(home).length === 0);
    await visitor.page.getByRole("status").filter({ hasText: "Disconnected" }).waitFor();
  });

  test("started again, it remembers both", async () => {
    assert.ok(running);
    const { port } = new URL(running.address);
    running = start(clone, join(folder, "home"), port);
    await within("it answers", running.started, installMs);
    assert.doesNotMatch(running.output, /installing/);
    for (const [name, said] of [
      ["Bob", "I play the cello"],
      ["Ada", "I like tea"],
    ] as const) {
      await visitor.open(name);
      await visitor.say("What did I say?");
      await visitor.answer(`You said, newest first: "${said}".`).waitFor();
    }
  });

  // The operator's chair

  let model: OfflineModel;
  /** `./switchboard …args`; gives what it printed. */
  const command = (...args: string[]): Promise<{ code: number; output: string }> =>
    commandIn(clone, join(folder, "home"), args);
  const says = async (pattern: RegExp, ...args: string[]): Promise<void> => {
    const { code, output } = await command(...args);
    assert.equal(code, 0, output);
    assert.match(output, pattern);
  };
  /** Starts it with the scripted model, on the port that it had. */
  async function startWithModel(): Promise<void> {
    assert.ok(running);
    const { port } = new URL(running.address);
    const api = { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: credential };
    running = start(clone, join(folder, "home"), port, api);
    await within("it answers", running.started, installMs);
  }

  test("a config of one's own: written, changed, checked, and in force", async () => {
    // Kept, for a request may come before it is waited for.
    model = await startOffline({ keep: Number.POSITIVE_INFINITY });
    leave.push(() => model.close());
    assert.ok(running);
    await says(/^written: .*switchboard\.toml/m, "init");
    const file = join(home, "switchboard.toml");
    const own = '[tiers.admin]\nask = ["Bash"]\n[tiers.favorite]\nbudget = { usd_per_chat_day = 0.0001 }\n';
    appendFileSync(file, own);
    await says(/^tiers\.admin\.ask = \["Bash"\] .*switchboard\.toml/m, "config", "check");
    await says(/./, "down");
    await within("the command has ended", running.ended);
    await startWithModel();
  });

  test("while the model is down the page says so, and why a message waits; then it is answered", async () => {
    const off = model.script(() => ({
      kind: "error",
      status: 529,
      type: "overloaded_error",
      message: "Overloaded",
    }));
    await visitor.open("Ada");
    await visitor.say("Are you there?");
    await visitor.note("The model's API has passing trouble; requests are tried again.").waitFor();
    await visitor.status("Are you there?", /the model is at work/);
    off();
    await visitor.status("Are you there?", "answered");
    await visitor.answer('You said: "Are you there?".').waitFor();
  });

  test("a running turn is stopped", async () => {
    script(model, "Think for ever", { kind: "hang" });
    await visitor.say("Think for ever");
    await requestWith(model, "Think for ever");
    await visitor.page.getByRole("button", { name: "Stop", exact: true }).click();
    await visitor.status("Think for ever", "stopped while Claude worked on it");
  });

  test("an unknown contact is let in", async () => {
    const { code, output } = await command("send", "telegram:99", "Let me in");
    assert.notEqual(code, 0);
    assert.match(output, /refused_contact|tier unknown/);
    const stranger = visitor.page.getByRole("region", { name: "Wants to be let in" }).getByRole("listitem");
    await stranger.getByRole("button", { name: "Let in…" }).click();
    await visitor.dialog.getByLabel("Name").fill("Mira");
    await visitor.dialog.getByLabel("Tier").selectOption("admin");
    await visitor.dialog.getByRole("button", { name: "Begin" }).click();
    await visitor.heading("Mira").waitFor();
    await says(/You said: "Thank you"/, "send", "telegram:99", "Thank you", "--wait");
  });

  test("a tool is allowed", async () => {
    const made = join(folder, "made");
    script(model, "Make it", { kind: "tool", name: "Bash", input: { command: `touch '${made}'` } });
    await visitor.say("Make it");
    await visitor.status("Make it", "waits for an approval");
    const question = visitor.page.getByRole("region", { name: "Waits for your yes" });
    await question.getByText(`touch '${made}'`).waitFor();
    assert.equal(existsSync(made), false);
    await question.getByRole("button", { name: "Allow once" }).click();
    await visitor.status("Make it", "answered");
    assert.equal(existsSync(made), true);
  });

  test("a budget that is used up is raised", async () => {
    await visitor.begin("carl", "favorite", "Carl");
    await visitor.say("One");
    await visitor.status("One", "answered");
    await visitor.say("Two");
    await visitor.status("Two", /waits for its budget/);
    await visitor.choose("Allow more…");
    await visitor.dialog.getByLabel("USD").fill("5");
    await visitor.dialog.getByRole("button", { name: "Allow" }).click();
    await visitor.status("Two", "answered");
  });

  test("it is backed up, everything is lost, restored, and the conversation goes on", async () => {
    assert.ok(running);
    const file = join(folder, "backup.tar.gz");
    await says(/./, "backup", file);
    await says(/./, "down");
    await within("the command has ended", running.ended);
    rmSync(home, { recursive: true });
    await says(/./, "restore", file);
    await startWithModel();
    // Whoever had the file does not have the token.
    await visitor.page.goto("about:blank");
    visitor = await visit(stay, browser, running.address);
    await visitor.open("Ada");
    await visitor.message("I like tea").waitFor();
    await visitor.say("What did I say?");
    await visitor.answer(/newest first: .*"Are you there\?".*"I like tea"/).waitFor();
    await visitor.open("Carl");
    await visitor.status("Two", "answered");
  });
});

function commandIn(clone: string, home: string, args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn("./switchboard", args, {
    cwd: clone,
    env: environment(home),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return once(child, "close").then(([code]) => ({ code, output }));
}

interface Running {
  /** All that it has said so far. */
  readonly output: string;
  /** The dashboard's, once it has started. */
  readonly address: string;
  started: Promise<void>;
  ended: Promise<unknown>;
  kill(): Promise<void>;
}

/**
 * A stranger's environment: the machine's own path, without what npm puts before it for its scripts (its Node would
 * not know the settings of the machine's npm), and the certificates that npm needs behind a company's proxy. What npm has
 * downloaded for the run of the tests it does not download again: that takes more of the machine than all the rest.
 */
function environment(home: string): Record<string, string> {
  const { PATH = "", NODE_EXTRA_CA_CERTS, npm_config_cache } = process.env;
  const path = PATH.split(delimiter).filter((folder) => !folder.includes("node_modules"));
  return {
    PATH: path.join(delimiter),
    HOME: home,
    ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS }),
    ...(npm_config_cache && { npm_config_cache }),
  };
}

/** `./switchboard start`, with an empty home. */
function start(clone: string, home: string, port = "0", more: Record<string, string> = {}): Running {
  const child: ChildProcess = spawn("./switchboard", ["start", "--port", port], {
    cwd: clone,
    env: { ...environment(home), ...more },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  const { promise: started, resolve, reject } = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (addressIn(output) !== undefined) resolve();
    });
  }
  const ended = once(child, "close").then(([code]) => reject(new Error(`it ended with ${code}: ${output}`)));
  started.catch(() => {});
  return {
    get output() {
      return output;
    },
    get address() {
      return addressIn(output) ?? "";
    },
    started,
    ended,
    async kill() {
      // The group: until it has installed, npm and what npm runs are in it.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
      await ended;
    },
  };
}

function addressIn(output: string): string | undefined {
  return /^The dashboard: (\S+)$/m.exec(output)?.[1];
}

/** What a clone of the working tree would have: its files as they stand now, committed or not. */
function copyCheckout(to: string): void {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: root,
  });
  for (const file of listed.toString().split("\0")) {
    if (file === "" || !existsSync(join(root, file))) continue;
    mkdirSync(dirname(join(to, file)), { recursive: true });
    copyFileSync(join(root, file), join(to, file));
  }
}
