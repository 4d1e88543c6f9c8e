import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Claude, Launch } from "../../src/claude/index.ts";
import { defaultConfig } from "../../src/config.ts";
import { type Policy, tiersOf } from "../../src/contacts/tiers.ts";
import { type Gateway, startGateway } from "../../src/gateway/index.ts";
import { silent } from "../../src/log.ts";
import { limits } from "../../src/sessions/health.ts";
import { newcomerBytes, Pool, type Tenant } from "../../src/sessions/pool.ts";
import { Spares } from "../../src/sessions/spares.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "./manual-clock.ts";

/** Processes that do what the test says: what a spare is in the house is looked at here, and what it does in test/e2e. */
class Processes implements Claude {
  readonly isDirect = false;
  readonly launches: Launch[] = [];
  readonly notes: string[] = [];
  /** What was asked of each, by its number. */
  readonly asked = new Map<number, string>();
  fails = false;

  launch = (launch: Launch) => {
    if (this.fails) throw new Error("no process today");
    this.launches.push(launch);
    const nothing = async () => {};
    const ends = (how: string) => async () => {
      this.asked.set(launch.generation, how);
      launch.onEvent({ type: "gone", reason: how, stderr: "", unresumable: false });
    };
    return {
      ...{
        generation: launch.generation,
        pid: launch.generation,
        compact() {},
        send() {},
        activity: () => null,
      },
      ...{ warm: nothing, interrupt: nothing, ping: nothing, close: ends("close"), kill: ends("kill") },
      note: (text: string) => void this.notes.push(text),
    };
  };

  /** It has started up, and has taken its note in. */
  warm(at: number): void {
    const launch = this.launches[at] ?? assert.fail(`there is no process ${at}`);
    launch.onEvent({ type: "ready", version: "1" });
    launch.onEvent({ type: "noted" });
  }

  dies(at: number): void {
    this.launches[at]?.onEvent({ type: "gone", reason: "killed", stderr: "", unresumable: false });
  }

  /** Resolves when so many were launched in all. */
  async launched(count: number): Promise<void> {
    await eventually(`${count} were launched`, () => this.launches.length === count);
  }
}

const chat = (): Tenant => ({ untilNext: null, isLeaving: false, yieldSlot() {} });

describe("spares", () => {
  let folder: string;
  let gateway: Gateway;
  const tiers = tiersOf(defaultConfig());
  const policyOf = (tier: string): Policy => tiers.get(tier) ?? assert.fail();
  const [family, bots] = [policyOf("family"), policyOf("bots")];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "switchboard-spares-"));
    const clock = new ManualClock();
    gateway = await startGateway({ upstream: { baseUrl: "http://127.0.0.1:1" }, clock, log: silent });
  });
  after(async () => {
    await gateway.close();
    await rm(folder, { recursive: true });
  });

  async function setup({ count = 1, maxProcesses = 3 } = {}) {
    const home = await mkdtemp(join(folder, "home-"));
    const clock = new ManualClock();
    const pool = new Pool({ maxProcesses, memoryBytes: 100 * newcomerBytes, maxStarts: 1 }, clock);
    const claude = new Processes();
    const [spaces, running] = [join(home, "spaces"), join(home, "running")];
    const folders = {
      home,
      spaces,
      running,
      links: join(home, "chats"),
      transcripts: join(home, "transcripts"),
    };
    const spares = new Spares({ count, claude, gateway, pool, clock, log: silent, folders });
    /** What is on disk: of spares, and in notes of what runs. */
    const left = () => [spaces, running].map((path) => (existsSync(path) ? readdirSync(path).length : 0));
    return { clock, pool, claude, spares, left };
  }

  it("are none as long as nobody knows for whom, nor where none are wanted", async () => {
    const { pool, spares } = await setup();
    spares.keep();
    assert.equal(pool.live, 0);
    const none = await setup({ count: 0 });
    none.spares.expect([family]);
    assert.equal(none.spares.take(family), null);
    none.spares.keep();
    assert.equal(none.pool.live, 0);
  });

  it("are as many as are wanted, one start at a time, of the tiers of the last new chats", async () => {
    const { pool, claude, spares } = await setup({ count: 2 });
    spares.expect([family, bots, bots]);
    spares.keep();
    spares.keep();
    await claude.launched(1);
    assert.deepEqual([pool.live, spares.ready, pool.hasRoomToSpare], [1, 0, false]);
    claude.warm(0);
    await claude.launched(2);
    claude.warm(1);
    assert.deepEqual([pool.live, spares.ready, pool.hasRoomToSpare], [2, 2, true]);
    assert.deepEqual(
      claude.launches.map(({ model }) => model),
      [family.model, bots.model],
    );
    assert.equal(new Set(claude.notes).size, 1);
    spares.keep();
    assert.equal(pool.live, 2);
    // Two new ones of one tier: the other tier's spare is not wanted any more.
    assert.ok(spares.take(family));
    assert.equal(spares.take(family), null);
    spares.keep();
    await eventually("the other has closed", () => spares.ready === 0);
    await claude.launched(3);
    assert.equal(claude.launches[2]?.model, family.model);
  });

  it("are taken once, with their place, and what they do then is their owner's", async () => {
    const { pool, claude, spares, clock } = await setup();
    spares.expect([family]);
    spares.keep();
    await claude.launched(1);
    assert.equal(spares.take(family), null, "it is not ready yet");
    claude.warm(0);
    const spare = spares.take(family) ?? assert.fail();
    assert.equal(spares.take(family), null);
    assert.equal(spare.untilNext, null, "it makes room for nobody any more");
    const heard: string[] = [];
    const owner = {
      onEvent: ({ type }: { type: string }) => void heard.push(type),
      beforeTool: async () => "asked",
      onRequest() {},
      onHeld() {},
      mayLeave: () => true,
      onUsage() {},
    };
    const it = claude.launches[0] ?? assert.fail();
    const call = { toolUseId: "1", name: "Bash", input: {} };
    assert.notEqual(await it.beforeTool(call), null, "it has no chat yet");
    const tenant = chat();
    const { process } = spare.handOver(owner, tenant);
    assert.deepEqual(
      [process.pid, pool.has(tenant), pool.has(spare), pool.live],
      [it.generation, true, false, 1],
    );
    it.onEvent({ type: "waiting", for: "model" });
    assert.equal(await it.beforeTool(call), "asked");
    assert.throws(() => spare.handOver(owner, tenant), /has ended/);
    await spare.close();
    assert.equal(claude.asked.size, 0, "who has it closes it");
    claude.dies(0);
    assert.deepEqual(heard, ["waiting", "gone"]);
    assert.ok(pool.has(tenant), "its owner gives the place back");
    clock.advance(60_000);
    await claude.launched(2);
  });

  it("start only in room that nobody needs, and close for whoever needs it", async () => {
    const { pool, claude, spares, left } = await setup({ maxProcesses: 2 });
    const [first, second] = [chat(), chat()];
    const never = new AbortController().signal;
    await pool.acquire(first, never);
    spares.expect([family]);
    spares.keep();
    await claude.launched(1);
    claude.warm(0);
    assert.deepEqual([pool.live, left()], [2, [1, 1]]);
    assert.equal(await pool.acquire(second, never), true);
    assert.deepEqual([...claude.asked.values()], ["close"]);
    assert.deepEqual(left(), [0, 0]);
    spares.keep();
    assert.equal(pool.live, 2, "there is no room");
    // One that is starting has nothing to lose.
    pool.release(first);
    spares.keep();
    await claude.launched(2);
    assert.equal(await pool.acquire(first, never), true);
    assert.deepEqual([...claude.asked.values()], ["close", "kill"]);
    assert.equal(pool.starts.isFull, false);
  });

  it("that die or do not start are tried again, each time later", async () => {
    const { clock, pool, claude, spares, left } = await setup();
    spares.expect([family]);
    claude.fails = true;
    spares.keep();
    await eventually("it came to nothing", () => pool.live === 0 && left().every((count) => count === 0));
    spares.keep();
    assert.equal(pool.live, 0, "not at once");
    claude.fails = false;
    clock.advance(250);
    spares.keep();
    await claude.launched(1);
    clock.advance(limits.start);
    assert.deepEqual([...claude.asked.values()], ["kill"], "it did not start up in time");
    await eventually("it is gone", () => pool.live === 0);
    clock.advance(999);
    spares.keep();
    assert.equal(pool.live, 0);
    clock.advance(1);
    spares.keep();
    await claude.launched(2);
    claude.warm(1);
    claude.dies(1);
    await eventually("it is gone", () => pool.live === 0);
    // What had lived is no sign that the next will not.
    spares.keep();
    await claude.launched(3);
  });

  it("are all gone when closed, and none comes after that; one whose space is a chat's leaves it there", async () => {
    const { pool, claude, spares, left } = await setup({ count: 2 });
    spares.expect([family, family]);
    spares.keep();
    await claude.launched(1);
    claude.warm(0);
    await claude.launched(2);
    spares.take(family);
    await spares.close();
    assert.deepEqual([pool.live, left()], [0, [1, 0]]);
    spares.keep();
    assert.equal(pool.live, 0);
  });
});
