/** The end of a daemon in mid-turn. Its model is in this process, so that a turn lasts as long as a test wants. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type OfflineModel, startOffline } from "../../src/offline/index.ts";
import { calmHome, type Daemon, isAlive, run, startDaemon } from "./rig.ts";

describe("a daemon that ends in mid-turn", () => {
  let model: OfflineModel;
  let finish = () => {};
  before(async () => {
    model = await startOffline();
    model.script(() => ({ kind: "text", text: "An answer that takes its time", hold: held.promise }));
  });
  after(() => model.close());

  let held = Promise.withResolvers<void>();
  let home: string;
  let remove: () => void;
  let daemon: Daemon;
  let claude: number;
  let waiting: ReturnType<typeof run>;
  let stream: Promise<string>;
  let token: string;
  const call = (path: string, init: RequestInit = {}) =>
    fetch(daemon.url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });

  beforeEach(async () => {
    held = Promise.withResolvers();
    finish = held.resolve;
    ({ home, remove } = calmHome());
    daemon = await startDaemon(home, [], { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: "of-the-test" });
    token = readFileSync(join(home, "token"), "utf8").trim();
    stream = call("/v1/events?after=0").then((response) => response.text());
    // In the other tests it is cut off.
    stream.catch(() => {});
    waiting = run(["send", "alice", "Hello", "--tier", "bots", "--wait", "--json", "--home", home]);
    await untilBusy();
  });
  afterEach(async () => {
    finish();
    await daemon.end("SIGKILL");
    await waiting;
    remove();
  });

  /** Until the model has begun to write. */
  async function untilBusy(): Promise<void> {
    const response = await call("/v1/chats/alice/events?after=0");
    const decoder = new TextDecoder();
    let told = "";
    for await (const chunk of response.body ?? []) {
      told += decoder.decode(chunk, { stream: true });
      if (told.includes("event: text")) break;
    }
    const chat = (await (await call("/v1/chats/alice")).json()) as { process: { pid: number } };
    claude = chat.process.pid;
  }

  it("says what it talks to, and tells nobody the key", () => {
    const { upstream } = JSON.parse(daemon.output.stdout);
    assert.deepEqual(upstream, { kind: "api", baseUrl: model.url });
    assert.doesNotMatch(daemon.output.stdout + daemon.output.stderr, /of-the-test/);
  });

  it("takes no more at SIGTERM, lets the turn end, and ends its streams and waits with the answer", async () => {
    const ended = daemon.end("SIGTERM");
    while ((await call("/readyz")).status === 200);
    const refused = await run(["send", "alice", "Too late", "--home", home]);
    assert.deepEqual([refused.code, refused.stdout], [8, ""]);
    assert.ok(isAlive(claude));
    finish();
    assert.equal(await ended, 0);
    const { code, stdout } = await waiting;
    assert.deepEqual([code, JSON.parse(stdout).reply.text], [0, "An answer that takes its time"]);
    assert.match(await stream, /An answer that takes its time/);
    assert.equal(isAlive(claude), false);
  });

  it("ends at once at a second signal; what was not answered is still there at the next start", async () => {
    const began = performance.now();
    void daemon.end("SIGTERM");
    while ((await call("/readyz")).status === 200);
    assert.equal(await daemon.end("SIGINT"), 0);
    assert.ok(performance.now() - began < 10_000);
    assert.equal(isAlive(claude), false);
    // It was told that the message is accepted, and not what came of it.
    const { code, stderr } = await waiting;
    assert.ok(code === 3 || code === 8 || code === 1, `${code}: ${stderr}`);
    await stream;

    finish();
    daemon = await startDaemon(home);
    const history = await (await call("/v1/chats/alice/messages")).json();
    assert.equal((history as { history: Array<{ text: string }> }).history[0]?.text, "Hello");
  });
});
