/**
 * A Switchboard on a home of its own, on the real Agent SDK and the real Claude Code process; only the model behind
 * the gateway is scripted. Whatever a test leaves is ended when its scope ends, and a process that outlives its
 * Switchboard fails it.
 */
import assert from "node:assert/strict";
import { globSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Channel } from "../../src/channels/index.ts";
import { parseConfig } from "../../src/config.ts";
import type { ChatView, InboundInput, MessageView, ReplyView, Switchboard } from "../../src/index.ts";
import { createLogger, silent } from "../../src/log.ts";
import { type OfflineModel, type RecordedRequest, type Step, startOffline } from "../../src/offline/index.ts";
import { open } from "../../src/open.ts";
import { asToldOnly } from "./as-told.ts";
import { eventually, patienceMs, type Scope, within } from "./eventually.ts";
import { Journal } from "./journal.ts";
import { requestWith, script } from "./model.ts";
import { claudesOf, killHard, type ProcessInfo, processesOf } from "./processes.ts";
import { inLine, inTranscript } from "./transcript.ts";

export interface RigOptions {
  /** The text of a `switchboard.toml`. */
  config?: string;
  channels?: readonly Channel[];
}

/** The model's real credential in these tests; no process but Switchboard itself may know it. */
export const credential = "sk-the-real-one";

export async function startRig(scope: Scope, { config = "", channels = [] }: RigOptions = {}): Promise<Rig> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "e2e-"));
  const rig = new Rig(folder, await startOffline({ keep: Number.POSITIVE_INFINITY }), channels);
  scope.after(async () => {
    await rig.end();
    rmSync(folder, { recursive: true, force: true });
  });
  await rig.open(config);
  return rig;
}

export class Rig {
  /** Holds the home; what stands beside it is outside of every session's space. */
  readonly folder: string;
  readonly home: string;
  readonly model: OfflineModel;
  readonly journal = new Journal();
  readonly #channels: readonly Channel[];
  #switchboard: Switchboard | null = null;
  #followed: Promise<void> = Promise.resolve();

  constructor(folder: string, model: OfflineModel, channels: readonly Channel[]) {
    this.folder = folder;
    this.home = join(folder, "home");
    this.model = model;
    this.#channels = channels;
  }

  get switchboard(): Switchboard {
    if (this.#switchboard === null) throw new Error("the rig is not open");
    return this.#switchboard;
  }

  // Its life

  async open(config = ""): Promise<void> {
    this.#switchboard = await open({
      home: this.home,
      upstream: { baseUrl: this.model.url, apiKey: credential },
      config: parseConfig(asToldOnly(config), "switchboard.toml"),
      channels: this.#channels,
      log: process.env.SWITCHBOARD_TEST_LOG === undefined ? silent : createLogger("debug"),
    });
    this.#followed = this.journal.follow(this.#switchboard);
  }

  /** Resolves when no process is left; `hurry` does not let turns end. */
  async close(options: { hurry?: boolean } = {}): Promise<void> {
    if (this.#switchboard === null) return;
    await this.#switchboard.close(options.hurry === true ? { hurry: AbortSignal.abort() } : {});
    this.#switchboard = null;
    await this.#followed;
    assert.deepEqual(this.processes(), [], "a process has outlived its Switchboard");
  }

  async reopen(config = ""): Promise<void> {
    await this.close();
    await this.open(config);
  }

  async end(): Promise<void> {
    try {
      await within("Switchboard has closed", this.close({ hurry: true }), 60_000);
    } finally {
      for (const { pid } of this.processes()) killHard(pid);
      await this.model.close();
    }
  }

  // Talking

  /** Sends a message; resolves when it is accepted. The contact is of tier family unless `more` says otherwise. */
  async tell(chatId: string, text: string, more: Omit<InboundInput, "text"> = {}): Promise<MessageView> {
    const known = await this.switchboard.chat(chatId).catch(() => null);
    const contact = { ...(known === null ? { tier: "family" } : {}), ...more.contact };
    const { message } = await this.switchboard.receive(chatId, { ...more, text, contact });
    return message;
  }

  /** Sends a message; resolves when it has ended. */
  async say(chatId: string, text: string, more: Omit<InboundInput, "text"> = {}): Promise<MessageView> {
    return await this.ended(await this.tell(chatId, text, more));
  }

  /** Sends a message; resolves with the text that answers it. */
  async ask(chatId: string, text: string, more: Omit<InboundInput, "text"> = {}): Promise<string> {
    return answerOf(await this.say(chatId, text, more)).text;
  }

  async ended({ id }: { id: string }): Promise<MessageView> {
    const message = await this.switchboard.settled(id, { timeoutMs: patienceMs });
    assert.ok(message.endedAt, `a message has no end: ${JSON.stringify(message)}`);
    return message;
  }

  /** Resolves when the message is on its way into its process. */
  async sent({ chatId, id }: { chatId: string; id: string }): Promise<void> {
    await this.journal.until(
      chatId,
      "message",
      ({ message }) => message.id === id && message.status === "sent",
    );
  }

  chat(chatId: string): Promise<ChatView> {
    return this.switchboard.chat(chatId);
  }

  async sessionId(chatId: string): Promise<string | null> {
    return (await this.chat(chatId)).sessionId;
  }

  // The model

  script(text: string, ...steps: Step[]): () => void {
    return script(this.model, text, ...steps);
  }

  requestWith(text: string): Promise<RecordedRequest> {
    return requestWith(this.model, text);
  }

  /** What the model was asked in a chat's present conversation, oldest first. */
  async requests(chatId: string): Promise<RecordedRequest[]> {
    const sessionId = await this.sessionId(chatId);
    return this.model
      .requests()
      .filter(
        ({ kind, headers }) => kind === "messages" && headers["x-claude-code-session-id"] === sessionId,
      );
  }

  async lastRequest(chatId: string): Promise<RecordedRequest> {
    const request = (await this.requests(chatId)).at(-1);
    assert.ok(request, `the model was never asked in ${chatId}`);
    return request;
  }

  // Processes

  /** All that carry the home's mark, Claude Code and its tools. */
  processes(): ProcessInfo[] {
    return processesOf(this.home);
  }

  /** The pid of the chat's process, as soon as there is one. */
  async pid(chatId: string): Promise<number> {
    return await eventually(`${chatId} has a process`, async () => (await this.chat(chatId)).process?.pid);
  }

  /** How many processes were started for the chat so far. */
  starts(chatId: string): number {
    return this.journal.of(chatId, "process").filter(({ state }) => state === "starting").length;
  }

  claudes(): ProcessInfo[] {
    return claudesOf(this.home);
  }

  /** Resolves when the message stands in its session's transcript on disk. */
  async inTranscript({ id }: { id: string }): Promise<void> {
    await eventually("the transcript has the message", () => inTranscript(this.home, id));
  }

  /** Resolves when the process has read so many messages behind its turn: that they were sent does not say so yet. */
  async inLine(chatId: string, count: number): Promise<void> {
    const space = dirname(await this.workFolder(chatId));
    await eventually(
      `the process of ${chatId} has ${count} messages in its line`,
      () => inLine(space) === count,
    );
  }

  /** Resolves when the copy of a transcript has the message. */
  async copied({ id }: { id: string }): Promise<void> {
    const copies = join(this.home, "transcripts", "*", "*", "*.jsonl");
    await eventually("the copy of the transcript has the message", () =>
      globSync(copies).some((file) => readFileSync(file, "utf8").includes(id)),
    );
  }

  // Files

  /** Writes a file that lies outside of every space; gives its path. */
  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** The file of the chat's transcript. */
  async transcript(chatId: string): Promise<string> {
    const sessions = join(await this.workFolder(chatId), "..", "claude", "projects");
    const [file] = globSync(join(sessions, "*", `${await this.sessionId(chatId)}.jsonl`));
    assert.ok(file, `${chatId} has no transcript`);
    return file;
  }

  /** The chat's work folder. */
  async workFolder(chatId: string): Promise<string> {
    const { sessionName } = await this.chat(chatId);
    return realpathSync(join(this.home, "chats", sessionName));
  }
}

/** The reply of a message that was answered. */
export function answerOf(message: MessageView): ReplyView {
  assert.equal(message.status, "answered", JSON.stringify(message));
  assert.ok(message.reply);
  return message.reply;
}
