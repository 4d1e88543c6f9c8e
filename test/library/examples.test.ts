/** The examples as somebody runs them who has just come: by themselves, with no key, in an empty folder. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { BotApi, isUnsent, RefusedError } from "../../examples/bot/api.ts";
import { startStandIn } from "../../examples/bot/stand-in.ts";
import { consumer } from "../../examples/webhook-consumer.ts";
import { within } from "../support/eventually.ts";
import { killHard, processesNaming } from "../support/processes.ts";

const examples = join(import.meta.dirname, "../../examples");

/** Whatever runs in it at the end is killed. */
function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "example-"));
  t.after(() => {
    for (const { pid } of processesNaming(folder)) killHard(pid);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

interface Run {
  kill(signal: NodeJS.Signals): void;
  /** What it printed, when it has ended: well, without a complaint, and with nothing left that runs. */
  output: Promise<string>;
  /** When it has ended, in whatever way. */
  ended: Promise<unknown>;
}

function run(name: string, folder: string, env: Record<string, string> = {}): Run {
  const { PATH = "", NODE_COMPILE_CACHE = "" } = process.env;
  const child = spawn(process.execPath, [join(examples, `${name}.ts`)], {
    cwd: folder,
    env: { PATH, NODE_COMPILE_CACHE, HOME: folder, TMPDIR: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close");
  const output = async () => {
    const [said, complaints, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    assert.deepEqual([code, complaints], [0, ""], said);
    assert.deepEqual(processesNaming(folder), [], "it has left a process");
    return said;
  };
  return { kill: (signal) => child.kill(signal), output: within(`${name} has ended`, output()), ended };
}

async function listening(t: TestContext, server: Server): Promise<string> {
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("the bot", () => {
  const sum = (lines: string[]) => lines.filter((line) => line !== "").sort();

  it("talks to each chat, and takes once what comes twice", async (t) => {
    const folder = emptyFolder(t);
    assert.deepEqual(
      sum((await run("bot", folder).output).split("\n")),
      sum([
        "Ada: I like tea.",
        "Ben: I like coffee.",
        "Again, taken once: Ada: I like tea.",
        "Again, taken once: Ben: I like coffee.",
        '  → telegram:101: You said: "I like tea.". I remember no earlier messages.',
        '  → telegram:102: You said: "I like coffee.". I remember no earlier messages.',
        "Ada: What did I say?",
        "Ben: What did I say?",
        '  → telegram:101: You said, newest first: "I like tea.".',
        '  → telegram:102: You said, newest first: "I like coffee.".',
      ]),
    );
  });

  it("that is killed after a poll and before it is confirmed loses nothing, and doubles nothing", async (t) => {
    const folder = emptyFolder(t);
    const api = await startStandIn(() => bot.kill("SIGKILL"));
    t.after(api.close);
    const env = { BOT_API: api.url, BOT_TIER: "family" };
    const start = () => run("bot", folder, env);
    let bot = start();
    bot.output.catch(() => {});
    await within("it is killed", bot.ended);

    bot = start();
    await within("everybody has been answered", api.done);
    bot.kill("SIGTERM");
    assert.match(await bot.output, /^Again, taken once: Ada: I like tea\.$/m);
    const messages = api.calls.filter(({ method }) => method === "sendMessage");
    assert.deepEqual(
      sum(messages.map(({ chat, text }) => `${chat} ${text}`)),
      sum([
        '101 You said: "I like tea.". I remember no earlier messages.',
        '101 You said, newest first: "I like tea.".',
        '102 You said: "I like coffee.". I remember no earlier messages.',
        '102 You said, newest first: "I like coffee.".',
      ]),
    );
    const typing = api.calls.filter(({ method }) => method === "sendChatAction");
    assert.deepEqual(new Set(typing.map(({ chat }) => chat)), new Set([101, 102]));
  });

  it("knows what certainly did not go out from what may have", async (t) => {
    let answer: RequestListener = () => assert.fail("nothing was to come");
    const server = createServer((request, response) => answer(request, response));
    const api = new BotApi(await listening(t, server), "1:token");
    const failure = () =>
      api.sendMessage(1, "Hello", t.signal).then(
        () => assert.fail(),
        (error) => error,
      );

    const parameters = { retry_after: 7 };
    const refusal = { ok: false, error_code: 429, description: "Too Many Requests", parameters };
    answer = (_, response) => response.end(JSON.stringify(refusal));
    const refused = await failure();
    assert.ok(refused instanceof RefusedError);
    assert.deepEqual([refused.status, refused.afterMs], [429, 7000]);

    const broken: RequestListener[] = [
      (_, response) => response.end(JSON.stringify({ ok: false, error_code: 500, description: "Oh" })),
      (_, response) => response.writeHead(502).end("<h1>Bad Gateway</h1>"),
      (_, response) => response.destroy(),
    ];
    for (answer of broken) {
      const error = await failure();
      assert.ok(!(error instanceof RefusedError) && !isUnsent(error), `${error}`);
    }

    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    assert.ok(isUnsent(await failure()));
  });
});

describe("the webhook's consumer", () => {
  it("refuses what is forged, shows what comes, and stores once what comes twice", async (t) => {
    const folder = emptyFolder(t);
    const [refused, answered, shown, again] = (await run("webhook-consumer", folder).output).split("\n");
    assert.equal(refused, "Refused: It is not signed.");
    assert.equal(answered, "A forged reply is answered 401.");
    assert.equal(shown, '→ crm:42: You said: "When do you open?". I remember no earlier messages.');
    assert.match(again ?? "", /^Again, stored once: [0-9a-f-]{36}$/);
  });

  const secret = "known to the two of us";
  const body = JSON.stringify({ reply: { id: "1", chatId: "crm:42", text: "At nine." } });
  const now = Math.trunc(Date.now() / 1000);
  const signed = (key: string, at: number, text = body) => ({
    "x-switchboard-timestamp": String(at),
    "x-switchboard-signature": `sha256=${createHmac("sha256", key).update(`${at}.${text}`).digest("hex")}`,
  });

  it("answers 401 to a wrong signature and to an old one, 413 to what is too long, 500 to what it cannot store", async (t) => {
    const { mock: log } = t.mock.method(console, "log", () => {});
    t.mock.method(console, "error", () => {});
    const path = join(emptyFolder(t), "replies.db");
    const url = await listening(t, consumer(path, secret));
    const database = new DatabaseSync(path);
    t.after(() => database.close());
    const post = async (headers: Record<string, string>, text = body) =>
      (await fetch(url, { method: "POST", headers, body: text })).status;
    const stored = () => database.prepare("select id from replies").all().length;

    assert.equal(await post({}), 401);
    assert.equal(await post(signed("the secret of others", now)), 401);
    assert.equal(await post(signed(secret, now), body.replace("nine", "ten")), 401);
    assert.equal(await post(signed(secret, now - 400)), 401);
    assert.match(String(log.calls.at(-1)?.arguments[0]), /It was signed 4\d\d s ago/);
    const long = " ".repeat(1024 * 1024 + 1);
    assert.equal(await post(signed(secret, now, long), long), 413);
    assert.equal(stored(), 0);

    assert.equal(await post(signed(secret, now)), 204);
    assert.equal(await post(signed(secret, now)), 204);
    // Signed anew, as each attempt is.
    assert.equal(await post(signed(secret, now + 1)), 204);
    assert.equal(stored(), 1);
    assert.equal(log.calls.at(-1)?.arguments[0], "Again, stored once: 1");

    database.exec("drop table replies");
    assert.equal(await post(signed(secret, now)), 500);
  });
});

describe("the channel of one's own", () => {
  it("keeps the answer until somebody is there to take it", async (t) => {
    const folder = emptyFolder(t);
    assert.deepEqual((await run("own-channel", folder).output).trimEnd().split("\n"), [
      "> Ada",
      "> Do you wait for me?",
      "  (taken)",
      "… Ada is not here. The answer waits.",
      "> Ada",
      '  You said: "Do you wait for me?". I remember no earlier messages.',
    ]);
  });
});
