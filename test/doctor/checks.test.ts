import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checksOf, type Facts } from "../../src/doctor/checks.ts";

const sound: Facts = {
  node: "v24.1.0",
  sdk: { installed: "1.2.3", tested: "1.2.3" },
  claude: { installed: "2.1.0", tested: "2.1.0" },
  config: { file: "/home/sb/switchboard.toml", error: null },
  home: { path: "/home/sb", files: [{ path: "/home/sb", mode: 0o40700, isOurs: true }] },
  disk: { freeBytes: 10 * 2 ** 30 },
  memory: { totalBytes: 8 * 2 ** 30, freeBytes: 4 * 2 ** 30 },
  clockAheadMs: 100,
  credential: { from: "ANTHROPIC_API_KEY" },
  upstream: { url: "https://api.example", status: 200, error: null },
  setpriv: true,
  sandbox: { bubblewrap: true, socat: true },
  unboundTiers: [],
  daemon: null,
  platform: "linux",
};

describe("the doctor", () => {
  it("finds nothing wrong where nothing is, and each check is named once", () => {
    const checks = checksOf(sound);
    assert.deepEqual(
      checks.filter(({ state }) => state !== "ok"),
      [],
    );
    assert.equal(new Set(checks.map(({ name }) => name)).size, checks.length);
  });

  const cases: Array<[what: string, facts: Partial<Facts>, name: string, state: string, detail: RegExp]> = [
    ["an old Node", { node: "v20.11.0" }, "Node", "fail", /^v20\.11\.0$/],
    [
      "another SDK",
      { sdk: { installed: "1.2.4", tested: "1.2.3" } },
      "Agent SDK",
      "warn",
      /^1\.2\.4; tested was 1\.2\.3$/,
    ],
    [
      "no Claude Code",
      { claude: { installed: null, tested: "2.1.0" } },
      "Claude Code",
      "fail",
      /^not found$/,
    ],
    [
      "a config that is not valid",
      { config: { file: "f", error: "f: max: is 0" } },
      "config",
      "fail",
      /^f: max: is 0$/,
    ],
    [
      "a home that others may enter",
      { home: { path: "/h", files: [{ path: "/h", mode: 0o40755, isOurs: true }] } },
      "home",
      "fail",
      /^\/h is open to others \(755\)$/,
    ],
    [
      "a home of somebody else",
      { home: { path: "/h", files: [{ path: "/h", mode: 0o700, isOurs: false }] } },
      "home",
      "fail",
      /belongs to another user/,
    ],
    ["no home yet", { home: { path: "/h", files: [] } }, "home", "ok", /is not there yet/],
    ["a disk that is nearly full", { disk: { freeBytes: 2 ** 29 } }, "disk", "warn", /^512 MiB free$/],
    ["a full disk", { disk: { freeBytes: 2 ** 20 } }, "disk", "fail", /^1 MiB free$/],
    ["a disk that says nothing", { disk: null }, "disk", "warn", /cannot be told/],
    [
      "little memory",
      { memory: { totalBytes: 2 ** 30, freeBytes: 2 ** 28 } },
      "memory",
      "warn",
      /^256 of 1024 MiB free/,
    ],
    ["a clock that is behind", { clockAheadMs: -300_000 }, "clock", "warn", /^300 s behind/],
    [
      "no credential",
      { credential: { from: null }, upstream: null, clockAheadMs: null },
      "credential",
      "warn",
      /offline model/,
    ],
    [
      "a refused credential",
      { upstream: { url: "u", status: 401, error: null } },
      "model",
      "fail",
      /^u answered 401$/,
    ],
    [
      "an API that is not there",
      { upstream: { url: "u", status: null, error: "ECONNREFUSED" } },
      "model",
      "fail",
      /^u: ECONNREFUSED$/,
    ],
    ["no setpriv", { setpriv: false }, "guard", "warn", /^setpriv is missing$/],
    ["no setpriv where there is none", { setpriv: false, platform: "darwin" }, "guard", "ok", /next start/],
    [
      "tiers with an unbound Bash",
      { unboundTiers: ["admin"], sandbox: { bubblewrap: false, socat: true } },
      "walls",
      "warn",
      /^Bash of admin reads what the daemon's user can \(bubblewrap/,
    ],
    ["a daemon", { daemon: { url: "http://127.0.0.1:7777", pid: 42 } }, "daemon", "ok", /^process 42 at/],
  ];
  for (const [what, facts, name, state, detail] of cases)
    it(`tells of ${what}, and what to do about it`, () => {
      const found = checksOf({ ...sound, ...facts }).find((check) => check.name === name);
      assert.equal(found?.state, state);
      assert.match(found?.detail ?? "", detail);
      assert.equal(found?.remedy === null, state === "ok");
    });
});
