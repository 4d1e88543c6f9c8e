import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isAlive, newHome, run, startDaemon } from "./rig.ts";

describe("start", () => {
  let home: string;
  let remove: () => void;
  beforeEach(() => {
    ({ home, remove } = newHome());
  });
  afterEach(() => remove());

  const file = (name: string) => join(home, name);
  const start = (...args: string[]) => run(["start", "--home", home, "--port", "0", ...args]);
  /** One line, no stack trace. */
  const assertOneLine = (stderr: string) => assert.match(stderr, /^switchboard: [^\n]+\n$/);

  it("says where it answers and where the token is, and leaves only what is to stay", async () => {
    const daemon = await startDaemon(home);
    const said = JSON.parse(daemon.output.stdout);
    assert.deepEqual(said, {
      pid: daemon.pid,
      url: daemon.url,
      dashboard: `${daemon.url}/#token=${readFileSync(file("token"), "utf8").trim()}`,
      home,
      tokenFile: file("token"),
      upstream: { kind: "offline" },
    });
    assert.equal(readFileSync(file("url"), "utf8").trim(), daemon.url);
    const token = readFileSync(file("token"), "utf8").trim();
    assert.equal(Buffer.from(token, "base64url").length, 32);
    assert.equal(statSync(file("token")).mode & 0o777, 0o600);
    assert.equal(statSync(home).mode & 0o777, 0o700);
    assert.equal((await fetch(`${daemon.url}/readyz`)).status, 200);

    assert.equal(await daemon.end("SIGTERM"), 0);
    assert.equal(existsSync(file("url")), false);
    assert.equal(readFileSync(file("token"), "utf8").trim(), token);
    await assert.rejects(fetch(daemon.url));
    const again = await startDaemon(home);
    assert.equal(readFileSync(file("token"), "utf8").trim(), token);
    assert.equal(await again.end("SIGINT"), 0);
  });

  it("says in words where it is and what answers without a key", async () => {
    const running = run(["start", "--home", home, "--port", "0"]);
    while (!existsSync(file("url"))) await new Promise((resolve) => setTimeout(resolve, 20));
    const url = readFileSync(file("url"), "utf8").trim();
    await run(["down", "--home", home]);
    const { code, stdout } = await running;
    const [where, dashboard, token, model, ...rest] = stdout.split("\n");
    assert.deepEqual(
      [code, where, token, rest],
      [0, `Switchboard answers at ${url}`, `The API token is in ${file("token")}`, [""]],
    );
    assert.equal(dashboard, `The dashboard: ${url}/#token=${readFileSync(file("token"), "utf8").trim()}`);
    assert.match(model ?? "", /ANTHROPIC_API_KEY.*offline model/);
  });

  it("refuses an endpoint that is no address, rather than to answer offline", async () => {
    const { code, stderr } = await run(["start", "--home", home], {
      env: { ANTHROPIC_BASE_URL: "nonsense" },
    });
    assert.equal(code, 12);
    assertOneLine(stderr);
    assert.match(stderr, /ANTHROPIC_BASE_URL.*nonsense/);
  });

  it("says which one runs when its home is in use, on whatever port it is asked for", async () => {
    const daemon = await startDaemon(home);
    try {
      for (const port of ["0", new URL(daemon.url).port]) {
        const second = await start("--port", port);
        assert.equal(second.code, 10, second.stderr);
        assertOneLine(second.stderr);
        assert.ok(second.stderr.includes(`process ${daemon.pid}`), second.stderr);
        assert.ok(second.stderr.includes(daemon.url), second.stderr);
      }
      assert.equal((await fetch(`${daemon.url}/readyz`)).status, 200);
      assert.equal(readFileSync(file("url"), "utf8").trim(), daemon.url);
    } finally {
      await daemon.end("SIGTERM");
    }
  });

  it("names the port that another program has and how to go on, before it has touched the home's messages", async () => {
    const other = createServer((_, response) => response.end("something else")).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    try {
      const { code, stderr } = await start("--port", String(port));
      assert.equal(code, 11);
      assertOneLine(stderr);
      assert.match(stderr, new RegExp(`port ${port} .*--port 0`));
      assert.equal(existsSync(file("switchboard.db")), false);
    } finally {
      other.close();
    }
  });

  it("refuses a host that is none of this machine's", async () => {
    const { code, stderr } = await start("--host", "192.0.2.1");
    assert.equal(code, 11);
    assertOneLine(stderr);
    assert.match(stderr, /192\.0\.2\.1/);
  });

  it("names the key of a broken config, its value and what is allowed", async () => {
    mkdirSync(home);
    for (const [config, said] of [
      ["log_level = 'loud'", /log_level: .*"debug".*loud/],
      ["[processes]\nmax = 0", /processes\.max: .*>=1.*0/],
      ["[limits]\nbytes = 1", /bytes/],
      ["[tiers.boss]\nmodel = 'x'", /tiers\.boss/],
      ["this is no toml", /switchboard\.toml:1/],
    ] as const) {
      writeFileSync(file("switchboard.toml"), config);
      const { code, stderr } = await start();
      assert.equal(code, 12, stderr);
      assertOneLine(stderr);
      assert.match(stderr, said);
    }
  });

  it("says that a home cannot be made or written", async () => {
    writeFileSync(home, "a file, no folder");
    for (const unusable of [home, join(home, "below"), "/proc/nothing"]) {
      const { code, stderr } = await run(["start", "--home", unusable, "--port", "0"]);
      assert.equal(code, 13, stderr);
      assertOneLine(stderr);
      assert.ok(stderr.includes(unusable), stderr);
    }
    assert.equal(readFileSync(home, "utf8"), "a file, no folder");
  });

  it("refuses a token that is none, and leaves it as it is", async () => {
    mkdirSync(home);
    writeFileSync(file("token"), "short\n");
    const { code, stderr } = await start();
    assert.equal(code, 12);
    assertOneLine(stderr);
    assert.equal(readFileSync(file("token"), "utf8"), "short\n");
  });

  it("destroys nothing of a database that it cannot read", async () => {
    mkdirSync(home);
    const damaged = "this is not a database, but somebody may still be able to save it\n".repeat(100);
    writeFileSync(file("switchboard.db"), damaged);
    const { code, stderr } = await start();
    assert.equal(code, 14, stderr);
    assertOneLine(stderr);
    assert.match(stderr, /switchboard\.db/);
    assert.equal(readFileSync(file("switchboard.db"), "utf8"), damaged);
    assert.equal(existsSync(file("url")), false);
  });

  it("ends at each of its signals with 0, with no process left", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const daemon = await startDaemon(home);
      const sent = await run(["send", "alice", "Hello", "--tier", "bots", "--wait", "--home", home]);
      assert.equal(sent.code, 0, sent.stderr);
      const { process: claude } = JSON.parse((await run(["show", "alice", "--json", "--home", home])).stdout);
      assert.ok(isAlive(claude.pid));
      assert.equal(await daemon.end(signal), 0);
      assert.equal(isAlive(claude.pid), false, `${signal} left a Claude process`);
    }
  });

  it("is ended by `down`, which waits until it is gone, and may be said again", async () => {
    const daemon = await startDaemon(home);
    await run(["send", "alice", "Hello", "--tier", "bots", "--wait", "--home", home]);
    const { process: claude } = JSON.parse((await run(["show", "alice", "--json", "--home", home])).stdout);
    const down = await run(["down", "--json", "--home", home]);
    assert.deepEqual(
      [down.code, JSON.parse(down.stdout)],
      [0, { did: "ended", url: daemon.url, pid: daemon.pid }],
    );
    assert.equal(isAlive(claude.pid), false);
    await assert.rejects(fetch(daemon.url));
    assert.equal(await daemon.ended, 0);

    const again = await run(["down", "--json", "--url", daemon.url, "--home", home]);
    assert.deepEqual([again.code, JSON.parse(again.stdout)], [0, { did: "nothing", url: daemon.url }]);
  });

  it("starts again at once after `down`, on the same port, with the same chats", async () => {
    const first = await startDaemon(home);
    await run(["send", "alice", "My name is Alice", "--tier", "family", "--wait", "--home", home]);
    await run(["down", "--home", home]);
    const second = await startDaemon(home, ["--port", new URL(first.url).port]);
    try {
      const { stdout } = await run(["send", "alice", "What is my name?", "--wait", "--home", home]);
      assert.match(stdout, /Alice/);
    } finally {
      await second.end("SIGTERM");
    }
  });
});
