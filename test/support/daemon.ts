/** The real daemon as a child process on a home of its own, to be killed at will; only the model is scripted. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import { chatSchema, historySchema, messageSchema } from "../../src/api/schemas.ts";
import type { InboundInput } from "../../src/index.ts";
import { type OfflineModel, type RecordedRequest, type Step, startOffline } from "../../src/offline/index.ts";
import { type Daemon, startDaemon } from "../cli/rig.ts";
import { asToldOnly } from "./as-told.ts";
import { eventually, patienceMs, type Scope, within } from "./eventually.ts";
import { requestWith, script } from "./model.ts";
import { claudesOf, killHard, type ProcessInfo, processesOf, signal } from "./processes.ts";
import { credential } from "./rig.ts";
import { inTranscript } from "./transcript.ts";

type Message = z.output<typeof messageSchema>;

export interface DaemonRigOptions {
  /** The text of a `switchboard.toml`. */
  config?: string;
  /** Besides what leads to the model. */
  env?: Record<string, string>;
}

export async function startDaemonRig(
  scope: Scope,
  { config = "", env = {} }: DaemonRigOptions = {},
): Promise<DaemonRig> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "e2e-"));
  const rig = new DaemonRig(folder, await startOffline({ keep: Number.POSITIVE_INFINITY }), env);
  scope.after(async () => {
    await rig.end();
    rmSync(folder, { recursive: true, force: true });
  });
  mkdirSync(rig.home, { mode: 0o700 });
  writeFileSync(join(rig.home, "switchboard.toml"), asToldOnly(config));
  await rig.start();
  return rig;
}

export class DaemonRig {
  readonly folder: string;
  readonly home: string;
  readonly model: OfflineModel;
  readonly #env: Record<string, string>;
  #daemon: Daemon | null = null;

  constructor(folder: string, model: OfflineModel, env: Record<string, string> = {}) {
    this.#env = env;
    this.folder = folder;
    this.home = join(folder, "home");
    this.model = model;
  }

  get daemon(): Daemon {
    if (this.#daemon === null) throw new Error("no daemon runs");
    return this.#daemon;
  }

  // Its life

  async start({ port = 0 } = {}): Promise<void> {
    const api = { ANTHROPIC_BASE_URL: this.model.url, ANTHROPIC_API_KEY: credential };
    const env = { ...api, ...this.#env };
    const args = ["--port", String(port)];
    this.#daemon = await within("the daemon has started", startDaemon(this.home, args, env));
  }

  get token(): string {
    return readFileSync(join(this.home, "token"), "utf8").trim();
  }

  /** SIGKILL; resolves when it is gone. What it leaves is another matter. */
  async kill(): Promise<void> {
    await this.daemon.end("SIGKILL");
    this.#daemon = null;
  }

  /** SIGTERM, and a second one if asked for, when the first has been noticed. Resolves with the exit code. */
  async stop({ twice = false } = {}): Promise<number | null> {
    const { daemon } = this;
    signal(daemon.pid, "SIGTERM");
    if (twice) {
      await this.draining();
      signal(daemon.pid, "SIGTERM");
    }
    const code = await within("the daemon has ended", daemon.ended, 60_000);
    this.#daemon = null;
    return code;
  }

  /** Resolves when the daemon is on its way to its end. */
  async draining(): Promise<void> {
    await eventually(
      "the daemon is not ready any more",
      async () => !(await fetch(`${this.daemon.url}/readyz`)).ok,
    );
  }

  async end(): Promise<void> {
    if (this.#daemon !== null) await this.kill();
    for (const { pid } of this.processes()) killHard(pid);
    await this.model.close();
  }

  // Talking

  /** Sends a message; resolves when it is accepted. The contact is of tier admin. */
  async tell(chatId: string, text: string, more: Omit<InboundInput, "text"> = {}): Promise<Message> {
    const body = { text, contact: { tier: "admin" }, ...more };
    return await this.#call(messageSchema, "POST", `/v1/chats/${encodeURIComponent(chatId)}/messages`, body);
  }

  /** Sends a message; resolves with the text that answers it. */
  async ask(chatId: string, text: string): Promise<string | undefined> {
    const { reply } = await this.ended(await this.tell(chatId, text));
    return reply?.text;
  }

  message({ id }: { id: string }): Promise<Message> {
    return this.#call(messageSchema, "GET", `/v1/messages/${id}`);
  }

  async ended({ id }: { id: string }): Promise<Message> {
    return await eventually(`message ${id} has ended`, async () => {
      const message = await this.message({ id });
      return message.endedAt === null ? undefined : message;
    });
  }

  chat(chatId: string): Promise<z.output<typeof chatSchema>> {
    return this.#call(chatSchema, "GET", `/v1/chats/${encodeURIComponent(chatId)}`);
  }

  /** A chat's first 1000 messages and replies. */
  async history(chatId: string): Promise<z.output<typeof historySchema>["history"]> {
    const path = `/v1/chats/${encodeURIComponent(chatId)}/messages?limit=1000`;
    return (await this.#call(historySchema, "GET", path)).history;
  }

  async pid(chatId: string): Promise<number> {
    return await eventually(`${chatId} has a process`, async () => (await this.chat(chatId)).process?.pid);
  }

  /** Resolves when the message stands in its session's transcript on disk. */
  async inTranscript({ id }: { id: string }): Promise<void> {
    await eventually("the transcript has the message", () => inTranscript(this.home, id));
  }

  async #call<T>(shape: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.daemon.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(patienceMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.json();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return shape.parse(answer);
  }

  // The model and the processes

  script(text: string, ...steps: Step[]): () => void {
    return script(this.model, text, ...steps);
  }

  requestWith(text: string): Promise<RecordedRequest> {
    return requestWith(this.model, text);
  }

  processes(): ProcessInfo[] {
    return processesOf(this.home);
  }

  claudes(): ProcessInfo[] {
    return claudesOf(this.home);
  }
}
