import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { parseConfig } from "../../src/config.ts";
import { plistOf } from "../../src/setup/plist.ts";
import { type Installer, install, status, uninstall } from "../../src/setup/service.ts";
import { type ServicePlan, servicePlan } from "../../src/setup/service-plan.ts";
import { quoted, unitOf } from "../../src/setup/unit.ts";

const gibibyte = 2 ** 30;

function planOf(change: Partial<ServicePlan> = {}, config = "processes.memory_mb = 2048"): ServicePlan {
  const home = "/srv/a home/100% & <us>";
  const command = [process.execPath, "/opt/switch board/main.ts", "start", "--home", home];
  const wish = { name: "switchboard", home, command, systemUser: null };
  return { ...servicePlan(wish, parseConfig(config, "f.toml"), 16 * gibibyte), ...change };
}

const missing = (command: string, args: string[]) =>
  spawnSync(command, args).error === undefined ? false : `there is no ${command}`;

describe("the plan of a service", () => {
  it("bounds memory by the pool's and the time to end by the config's", () => {
    const config = "[processes]\nmemory_mb = 2048\ndrain_seconds = 100\nstop_seconds = 5.5";
    const { memoryHighMb, memoryMaxMb, stopSeconds } = planOf({}, config);
    assert.deepEqual([memoryHighMb, memoryMaxMb, stopSeconds], [2560, 4608, 136]);
  });

  it("gives a container as long to end as a service", () => {
    const compose = readFileSync(join(import.meta.dirname, "../../compose.yaml"), "utf8");
    assert.equal(/stop_grace_period: (\d+)s/.exec(compose)?.[1], String(planOf().stopSeconds));
  });

  it("never allows more memory than there is, unless the config does", () => {
    assert.equal(planOf({}, "processes.memory_mb = 15000").memoryMaxMb, 16 * 1024);
    assert.equal(planOf({}, "processes.memory_mb = 20000").memoryMaxMb, 20_512);
  });
});

describe("the systemd unit", () => {
  it("quotes what systemd would make something else of", () => {
    assert.equal(quoted('a "b" \\ 5% $HOME'), '"a \\"b\\" \\\\ 5%% $$HOME"');
  });

  it("runs as a user for the machine, or as who installs it", () => {
    assert.match(unitOf(planOf({ systemUser: "bot" })), /^User=bot$/m);
    assert.doesNotMatch(unitOf(planOf()), /^User=/m);
  });

  it("keeps away from what Claude's processes and their sandbox need", () => {
    const broken =
      /^(RestrictNamespaces|MemoryDenyWriteExecute|ProtectKernelTunables|ProtectProc|SystemCallFilter)/m;
    assert.doesNotMatch(unitOf(planOf()), broken);
  });

  it("is what systemd takes", { skip: missing("systemd-analyze", ["--version"]) }, () => {
    const folder = mkdtempSync(join(tmpdir(), "unit-"));
    try {
      const file = join(folder, "switchboard.service");
      writeFileSync(file, unitOf(planOf({ systemUser: "root" })));
      const { status, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
      // Of other units on this machine it complains, too.
      const complaints = stderr
        .split("\n")
        .filter((line) => line.includes(file) || line.startsWith("switchboard"));
      assert.deepEqual([status, complaints], [0, []]);
      writeFileSync(file, `${unitOf(planOf())}[Service]\nNoSuchKey=1\n`);
      assert.match(spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" }).stderr, /NoSuchKey/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the launchd agent", () => {
  it("says the same to a parser", { skip: missing("python3", ["--version"]) }, () => {
    const plan = planOf();
    const read = "import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
    const { stdout, stderr } = spawnSync("python3", ["-c", read], { input: plistOf(plan), encoding: "utf8" });
    assert.equal(stderr, "");
    const { Label, ProgramArguments, KeepAlive, ExitTimeOut, StandardOutPath } = JSON.parse(stdout);
    assert.deepEqual(
      [Label, KeepAlive, ExitTimeOut, StandardOutPath],
      ["switchboard", true, 70, "/dev/null"],
    );
    assert.deepEqual(ProgramArguments.slice(3), [`${plan.home}/environment`, ...plan.command]);
  });

  it("has the daemon started with what stands in the home's environment", () => {
    const folder = mkdtempSync(join(tmpdir(), "plist-"));
    try {
      writeFileSync(join(folder, "environment"), "ANTHROPIC_API_KEY=of-the-test\n");
      const command = [process.execPath, "-p", "process.env.ANTHROPIC_API_KEY"];
      const [shell = "", ...args] = argumentsIn(plistOf(planOf({ home: folder, command })));
      assert.equal(spawnSync(shell, args, { encoding: "utf8" }).stdout, "of-the-test\n");
      rmSync(join(folder, "environment"));
      assert.equal(spawnSync(shell, args, { encoding: "utf8", env: {} }).stdout, "undefined\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function argumentsIn(plist: string): string[] {
  const list = /<array>(.*?)<\/array>/s.exec(plist)?.[1] ?? "";
  return [...list.matchAll(/<string>(.*?)<\/string>/gs)].map(([, text = ""]) => text);
}

describe("a service", () => {
  let folder: string;
  let plan: ServicePlan;
  let told: string[];
  let installer: Installer;
  let failing: string | null;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "service-"));
    const home = join(folder, "home");
    mkdirSync(home);
    plan = planOf({ home, command: [process.execPath, "main.ts", "start", "--home", home] });
    told = [];
    failing = null;
    installer = {
      ...{ manager: "systemd", uid: 1000, userHome: folder, userConfig: join(folder, "config") },
      async run(command, args) {
        told.push([command, ...args].join(" "));
        const failed = failing !== null && args.includes(failing);
        return { code: failed ? 1 : 0, stdout: "active\n", stderr: failed ? "it does not want to" : "" };
      },
    };
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const file = () => join(folder, "config/systemd/user/switchboard.service");

  it("is written, enabled and started; later asked for, and taken away with its file alone", async () => {
    const known = { manager: "systemd", file: file() };
    assert.deepEqual(await status(plan, installer), { ...known, installed: "no", state: null });
    assert.deepEqual(await install(plan, installer), { ...known, installed: "yes", state: "active" });
    assert.equal(readFileSync(file(), "utf8"), unitOf(plan));
    assert.deepEqual(told, [
      "systemctl --user daemon-reload",
      "systemctl --user enable switchboard.service",
      "systemctl --user start switchboard.service",
      "systemctl --user is-active switchboard.service",
    ]);
    const changed = { ...plan, memoryMaxMb: 9999 };
    assert.equal((await status(changed, installer)).installed, "outdated");
    assert.equal((await install(changed, installer)).installed, "yes");
    told = [];
    assert.equal((await uninstall(changed, installer)).installed, "no");
    assert.deepEqual(told, [
      "systemctl --user disable --now switchboard.service",
      "systemctl --user daemon-reload",
    ]);
    assert.deepEqual([existsSync(file()), existsSync(plan.home)], [false, true]);
    await assert.rejects(uninstall(plan, installer), /there is no service/);
  });

  it("leaves alone what another has written, or another home's", async () => {
    await install(plan, installer);
    // Its name begins with the other's.
    const home = `${plan.home}2`;
    const other = { ...plan, home, command: [process.execPath, "main.ts", "start", "--home", home] };
    await uninstall(plan, installer);
    await install(other, installer);
    await assert.rejects(install(plan, installer), /serves another home/);
    await assert.rejects(uninstall(plan, installer), /serves another home/);
    writeFileSync(file(), "[Unit]\n");
    await assert.rejects(install(plan, installer), /was not written by Switchboard/);
    assert.equal(readFileSync(file(), "utf8"), "[Unit]\n");
  });

  it("leaves no file behind that its manager does not take", async () => {
    failing = "enable";
    await assert.rejects(install(plan, installer), /systemctl enable .*: it does not want to$/);
    assert.equal(existsSync(file()), false);
  });

  it("is launchd's on macOS", async () => {
    installer.manager = "launchd";
    const { file: agent } = await install(plan, installer);
    assert.equal(agent, join(folder, "Library/LaunchAgents/switchboard.plist"));
    assert.equal(readFileSync(agent, "utf8"), plistOf(plan));
    assert.deepEqual(told.slice(0, 2), [
      "launchctl bootout gui/1000/switchboard",
      `launchctl bootstrap gui/1000 ${agent}`,
    ]);
  });
});
