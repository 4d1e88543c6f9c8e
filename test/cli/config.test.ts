import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { calmHome, main, newHome, run, startDaemon } from "./rig.ts";

describe("init", () => {
  it("writes a config for its owner alone, once", async () => {
    const { home, remove } = newHome();
    try {
      const file = join(home, "switchboard.toml");
      const first = await run(["init", "--json", "--home", home]);
      assert.deepEqual([first.code, JSON.parse(first.stdout)], [0, { did: "written", file }]);
      assert.deepEqual(
        [home, file].map((path) => statSync(path).mode & 0o777),
        [0o700, 0o600],
      );
      writeFileSync(file, "log_level = 'warn'\n");
      const second = await run(["init", "--home", home]);
      assert.deepEqual([second.code, second.stdout], [7, ""]);
      assert.match(second.stderr, /^switchboard: .*switchboard\.toml is there already[^\n]+\n$/);
      assert.equal(readFileSync(file, "utf8"), "log_level = 'warn'\n");
    } finally {
      remove();
    }
  });
});

describe("the config", () => {
  let home: string;
  let remove: () => void;
  beforeEach(() => {
    ({ home, remove } = calmHome());
  });
  afterEach(() => remove());

  const write = (text: string) => writeFileSync(join(home, "switchboard.toml"), text);
  const calm = "processes.resume_recent = 0\nprocesses.spares = 0\n";

  it("is explained: each value, and what says so", async () => {
    write(
      '[limits]\ntext_bytes = 7\n[channels.b]\ntype = "webhook"\nurl = "http://x/"\nsecret = "0123456789a-word"\n',
    );
    const env = { ANTHROPIC_API_KEY: "key-word", SWITCHBOARD_PORT: "7000" };
    const check = ["config", "check", "--home", home];
    const { code, stdout } = await run([...check, "--json", "--host", "::1"], { env });
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /-word/);
    const values: Array<{ key: string; value: unknown; from: string }> = JSON.parse(stdout).values;
    const told = (key: string) => {
      const found = values.find((each) => each.key === key);
      return [found?.value, found?.from];
    };
    assert.deepEqual(told("home"), [home, "--home"]);
    assert.deepEqual(told("host"), ["::1", "--host"]);
    assert.deepEqual(told("port"), [7000, "SWITCHBOARD_PORT"]);
    assert.deepEqual(told("credential"), [null, "ANTHROPIC_API_KEY"]);
    assert.deepEqual(told("limits.text_bytes"), [7, "switchboard.toml:2"]);
    assert.deepEqual(told("log_level"), ["info", "default"]);
    const people = (await run(check, { env })).stdout;
    assert.match(people, /^limits\.text_bytes = 7 {2}switchboard\.toml:2$/m);
    assert.match(people, /^channels\.b\.secret = \(not shown\) {2}switchboard\.toml:6$/m);
    assert.doesNotMatch(people, /-word/);
  });

  it("is refused with the field and the reason, as a start would", async () => {
    write("[channels.b]\ntype = 'pigeon'");
    const { code, stdout, stderr } = await run(["config", "check", "--json", "--home", home]);
    assert.deepEqual([code, JSON.parse(stdout).error.field], [1, "channels.b.type"]);
    assert.match(stderr, /^switchboard: channels\.b\.type: must be "webhook"\n$/);
  });

  it("is read again by the daemon when it is told so, by command or by SIGHUP, whole or not at all", async () => {
    write(calm);
    const daemon = await startDaemon(home);
    try {
      write(`log_level = "debug"\npath = "/bin"\n${calm}`);
      const { code, stdout } = await run(["reload", "--json", "--home", home]);
      assert.deepEqual([code, JSON.parse(stdout)], [0, { changed: ["log_level"], restart: ["path"] }]);
      assert.match(daemon.output.stderr, /these keys hold from the next start on/);

      write(`[limits]\ntext_bytes = 0\n`);
      const refused = await run(["reload", "--home", home]);
      assert.equal(refused.code, 12);
      assert.match(refused.stderr, /limits\.text_bytes/);

      write(`limits.text_bytes = 3\n${calm}`);
      process.kill(daemon.pid, "SIGHUP");
      await eventually("it says so", () => daemon.output.stderr.includes('"limits.text_bytes"'));
      await eventually("it holds", async () => {
        const long = await run(["send", "chat", "four", "--tier", "bots", "--home", home]);
        return long.code === 2;
      });
      assert.equal((await fetch(`${daemon.url}/readyz`)).status, 200);
    } finally {
      assert.equal(await daemon.end("SIGTERM"), 0);
    }
  });
});

describe("the daemon of a terminal", () => {
  const missing = spawnSync("script", ["--version"]).error !== undefined && "there is no script(1)";

  it("ends with it", { skip: missing }, async () => {
    const { home, remove } = calmHome();
    const command = `${process.execPath} ${main} start --home ${home} --port 0`;
    const terminal = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
    try {
      await once(terminal.stdout, "data");
      const url = readFileSync(join(home, "url"), "utf8").trim();
      const { pid } = (await (await fetch(`${url}/healthz`)).json()) as { pid: number };
      process.kill(pid, "SIGHUP");
      await once(terminal, "close");
    } finally {
      remove();
    }
  });
});
