/** What systemd hears: on a real datagram socket, by systemd's own command. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { supervisorOf, watchdogMs } from "../../src/daemon/notify.ts";
import { silent } from "../../src/log.ts";
import { calmHome, startDaemon } from "../cli/rig.ts";
import { ManualClock } from "../sessions/manual-clock.ts";
import { eventually } from "../support/eventually.ts";

const needed = ["systemd-notify", "python3"];
const missing = needed.find((command) => spawnSync(command, ["--version"]).error !== undefined);

/** Writes what arrives, each datagram on a line. */
const receiver = `
import socket, sys
there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
there.bind(sys.argv[1])
print("bound", flush=True)
while True: print(there.recv(4096).decode().strip().replace("\\n", ";"), flush=True)
`;

describe("systemd", { skip: missing !== undefined && `there is no ${missing}` }, () => {
  let folder: string;
  let socket: string;
  let python: ChildProcess;
  let heard: string[];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "notify-"));
    socket = join(folder, "socket");
    heard = [];
    python = spawn("python3", ["-c", receiver, socket], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    python.stdout?.setEncoding("utf8").on("data", (more) => {
      text += more;
      // systemd-notify asks to be told when its words have been read.
      heard = text
        .split("\n")
        .slice(0, -1)
        .filter((line) => line !== "BARRIER=1");
    });
    await eventually("it listens", () => heard[0] === "bound");
  });
  afterEach(() => {
    python.kill();
    rmSync(folder, { recursive: true });
  });

  it("hears that the daemon has started, again and again that it is well, and that it ends", async () => {
    const { home, remove } = calmHome();
    const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "300000" };
    const daemon = await startDaemon(home, [], env);
    try {
      assert.equal(heard[1], `READY=1;STATUS=Messages are accepted at ${daemon.url}`);
      await eventually("it is well", () => heard.filter((line) => line === "WATCHDOG=1").length >= 3);
    } finally {
      assert.equal(await daemon.end("SIGTERM"), 0);
      remove();
    }
    await eventually("it ends", () => heard.some((line) => line.startsWith("STOPPING=1")));
  });

  it("hears nothing while the ledger does not answer, and goes on to hear when it does", async () => {
    const clock = new ManualClock();
    const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "10000000", PATH: process.env.PATH };
    const supervisor = supervisorOf({ env, pid: process.pid, clock, log: silent });
    let answers = Promise.withResolvers<void>();
    let asked = 0;
    const stop = supervisor.watch(() => {
      asked += 1;
      return answers.promise;
    });
    clock.advance(20_000);
    assert.equal(asked, 1, "it is asked anew only when it has answered");
    answers.reject(new Error("the ledger is gone"));
    answers = Promise.withResolvers();
    await eventually("it is asked again", () => {
      clock.advance(5000);
      return asked === 2;
    });
    await supervisor.ready("here");
    assert.deepEqual(heard.slice(1), ["READY=1;STATUS=Messages are accepted at here"]);
    answers.resolve();
    await eventually("it is well", () => heard.at(-1) === "WATCHDOG=1");
    stop();
    assert.equal(clock.timers, 0);
  });
});

describe("without systemd", () => {
  it("nobody is told anything", async () => {
    const supervisor = supervisorOf({ env: {}, pid: 1, clock: new ManualClock(), log: silent });
    await supervisor.ready("here");
    await supervisor.stopping();
    supervisor.watch(() => assert.fail("nobody wants to know"))();
  });
});

describe("the watchdog", () => {
  it("is this process's, if systemd says whose it is", () => {
    assert.equal(watchdogMs({ WATCHDOG_USEC: "120000000" }, 7), 120_000);
    assert.equal(watchdogMs({ WATCHDOG_USEC: "120000000", WATCHDOG_PID: "7" }, 7), 120_000);
    for (const env of [
      {},
      { WATCHDOG_USEC: "0" },
      { WATCHDOG_USEC: "x" },
      { WATCHDOG_USEC: "1", WATCHDOG_PID: "8" },
    ])
      assert.equal(watchdogMs(env, 7), null);
  });
});
