/**
 * One session of the real Claude Code behind src/claude's port; only the model is scripted. Its process is started, told
 * things and ended in any way, and what it leaves in the transcript is read.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Beginning,
  type ClaudeEvent,
  type ClaudeProcess,
  claudeCode,
  findTranscript,
  lookAfter,
  openSpace,
  readTurns,
  type Space,
  type TranscriptTurn,
  takeLastTurnOut,
} from "../../src/claude/index.ts";
import { systemClock } from "../../src/clock.ts";
import { defaultConfig } from "../../src/config.ts";
import { type OfflineModel, type Step, startOffline } from "../../src/offline/index.ts";
import { eventually, type Scope, within } from "../support/eventually.ts";
import { script } from "../support/model.ts";

type Happening = ClaudeEvent | { type: "begun"; tool: string };

export async function startClaude(scope: Scope): Promise<ClaudeRig> {
  const folder = await mkdtemp(join(tmpdir(), "switchboard-claude-"));
  const rig = new ClaudeRig(await openSpace(folder, randomUUID()), await startOffline());
  scope.after(async () => {
    await within("the process has ended", rig.kill());
    await rig.model.close();
    await rm(folder, { recursive: true });
  });
  rig.launch({ mode: "create" });
  await rig.say("warm up");
  return rig;
}

/** `warm up` is said and answered already: what a process does first may take its time to reach the disk. */
export class ClaudeRig {
  readonly space: Space;
  readonly model: OfflineModel;
  readonly #sdkSessionId = randomUUID();
  #process: ClaudeProcess | null = null;
  /** What the present process has told. */
  #told: Happening[] = [];
  #onTold: (happening: Happening) => void = () => {};
  #sent = 0;

  constructor(space: Space, model: OfflineModel) {
    this.space = space;
    this.model = model;
  }

  get process(): ClaudeProcess {
    return this.#process ?? assert.fail("no process was launched");
  }

  launch(beginning: Beginning): void {
    // A continuation is a message that the process tells to itself.
    if (beginning.mode === "continue") this.#sent += 1;
    this.#told = [];
    this.#onTold = () => {};
    const tell = (happening: Happening) => {
      this.#told.push(happening);
      this.#onTold(happening);
    };
    this.#process = claudeCode({
      homeId: randomUUID(),
      path: defaultConfig().path,
      clock: systemClock,
    }).launch({
      generation: 1,
      space: this.space,
      session: { sdkSessionId: this.#sdkSessionId, ...beginning },
      model: "sonnet",
      fallbackModel: null,
      systemPrompt: "Be brief.",
      tools: ["Bash"],
      sandbox: null,
      costSoFarUsd: 0,
      api: { baseUrl: this.model.url, token: "test" },
      beforeTool: async ({ name }) => {
        tell({ type: "begun", tool: name });
        return null;
      },
      onEvent: tell,
    });
  }

  // What is told to it

  /** Gives the message's uuid. */
  tell(...content: string[]): string {
    const uuid = randomUUID();
    this.#sent += 1;
    this.process.send(uuid, content);
    return uuid;
  }

  /** Resolves when the turn has ended. */
  async say(text: string): Promise<string> {
    const ends = this.#count("done", "failed");
    const uuid = this.tell(text);
    await eventually(`a turn has ended: ${text}`, () => this.#count("done", "failed") > ends);
    return uuid;
  }

  /** In the turn that `text` begins, the model plays `steps`, one a request. */
  script(text: string, ...steps: Step[]): void {
    script(this.model, text, ...steps);
  }

  // What it does

  async until(type: Happening["type"]): Promise<void> {
    await eventually(`the process tells: ${type}`, () => this.#count(type) > 0);
  }

  /** How the last turn failed, as the process told it. */
  get failure(): { code: string; message: string } {
    const told = this.#told.findLast((happening) => happening.type === "failed");
    const { code, message } = told ?? assert.fail("no turn has failed");
    return { code, message };
  }

  /** Calls at once when it tells `uuid` as taken: before anything of it can stand on disk. */
  onTaken(uuid: string, fn: () => void): void {
    this.#onTold = (happening) => {
      if (happening.type === "taken" && happening.sdkUuid === uuid) fn();
    };
  }

  /** Resolves when the process has everything that was told to it; the transcript counts it, but does not name it. */
  async hasAll(): Promise<void> {
    await eventually(`the process has ${this.#sent} messages`, async () => {
      const queued = (await this.#transcript()).split('"operation":"enqueue"').length - 1;
      return queued === this.#sent;
    });
  }

  /** Resolves when these words stand on disk: what a kill leaves behind of them is certain then. */
  async onDisk(...words: string[]): Promise<void> {
    await eventually(`the transcript has ${words}`, async () => {
      const text = await this.#transcript();
      return words.every((each) => text.includes(each));
    });
  }

  /** Lets a tool that waits for it go on. */
  async release(): Promise<void> {
    await writeFile(join(this.space.work, "go"), "");
  }

  // Its end

  /** SIGKILL, to the whole tree. */
  async kill(): Promise<void> {
    await this.#process?.kill(0);
  }

  // What it leaves

  /** Without the turn of the warm-up. */
  async turns(): Promise<TranscriptTurn[]> {
    const file = await findTranscript(this.space, this.#sdkSessionId);
    const [first, ...turns] = await readTurns(file ?? assert.fail("there is no transcript"));
    assert.equal(first?.end.kind, "answered");
    return turns;
  }

  /** The only turn since the warm-up. */
  async turn(): Promise<TranscriptTurn> {
    const [turn, ...others] = await this.turns();
    assert.deepEqual(others, []);
    return turn ?? assert.fail("there is no turn");
  }

  /** As it is done before each resume. */
  async lookAfter(): Promise<void> {
    await lookAfter(this.space, this.#sdkSessionId, join(this.space.tmp, "no-copies"));
  }

  /**
   * A full disk swallows all lines between the message that began the last turn and the one that joined it. What stands
   * before them is old: over a gap of few seconds the CLI finds its way by itself.
   */
  async swallowBetween(begun: string, joined: string): Promise<void> {
    const file = (await findTranscript(this.space, this.#sdkSessionId)) ?? assert.fail("no transcript");
    const lines = (await readFile(file, "utf8")).split("\n");
    const place = (uuid: string) =>
      lines.findIndex((line) => line.startsWith('{"parentUuid"') && line.includes(uuid));
    const [from, to] = [place(begun), place(joined)];
    assert.ok(from !== -1 && to > from + 1, "something stands between them");
    const before = lines
      .slice(0, from + 1)
      .map((line) => line.replaceAll(/"timestamp":"\d{4}/g, '"timestamp":"2020'));
    await writeFile(file, [...before, ...lines.slice(to)].join("\n"));
  }

  async takeOut(turn: TranscriptTurn): Promise<void> {
    await takeLastTurnOut(this.space, this.#sdkSessionId, join(this.space.tmp, "no-copies"), turn);
  }

  async #transcript(): Promise<string> {
    const file = await findTranscript(this.space, this.#sdkSessionId);
    return file === null ? "" : await readFile(file, "utf8");
  }

  #count(...types: Array<Happening["type"]>): number {
    return this.#told.filter(({ type }) => types.includes(type)).length;
  }
}

/** A tool call that lasts until `release`. */
export const longTool = {
  kind: "tool",
  name: "Bash",
  input: { command: "until [ -e go ]; do sleep 0.05; done; echo released" },
  textBefore: "Let me see.",
} satisfies Step;
