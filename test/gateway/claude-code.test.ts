/** The real Agent SDK and the real Claude Code process, through the gateway, on the offline model. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Options, query, type SDKMessage, type SDKUserMessage } from "@anthropic-ai/claude-agent-sdk";
import { systemClock } from "../../src/clock.ts";
import {
  type Gateway,
  type GatewayOptions,
  type ModelRequest,
  startGateway,
} from "../../src/gateway/gateway.ts";
import { silent } from "../../src/log.ts";
import { readConversation } from "../../src/offline/conversation.ts";
import { startOffline } from "../../src/offline/offline.ts";
import type { Step } from "../../src/offline/step.ts";
import { history } from "../offline/history.ts";

const MODELS = ["claude-sonnet-4-5", "claude-sonnet-5-5"];

/** ms. What the process's own patience is cut down to. */
const API_TIMEOUT_MS = 3_000;

async function setup(t: TestContext, times: GatewayOptions["times"] = {}) {
  const root = await mkdtemp(join(tmpdir(), "switchboard-gateway-"));
  const model = await startOffline({ keep: Infinity });
  const gateway = await startGateway({
    upstream: { baseUrl: model.url, apiKey: "real-credential" },
    clock: systemClock,
    log: silent,
    times: { firstPauseMs: 20, quietMs: 300, pingMs: 200, ...times },
  });
  const processes: ChildProcess[] = [];
  for (const folder of ["work", "claude", "tmp"]) await mkdir(join(root, folder));
  t.after(async () => {
    await Promise.all(processes.map(gone));
    await gateway.close();
    await model.close();
    await rm(root, { recursive: true });
  });
  return { root, work: join(root, "work"), model, gateway, processes };
}

/** Ends a process that a failed test has left, and resolves when it is gone. */
async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function claude(
  {
    root,
    work,
    gateway,
    processes,
  }: { root: string; work: string; gateway: Gateway; processes: ChildProcess[] },
  options: Options,
) {
  const requests: ModelRequest[] = [];
  const { token } = gateway.issue({ generation: 1, onRequest: (request) => requests.push(request) });
  const input = new TransformStream<SDKUserMessage, SDKUserMessage>({}, { highWaterMark: 10 });
  const writer = input.writable.getWriter();
  const exited = Promise.withResolvers<void>();
  const stream = query({
    prompt: input.readable,
    options: {
      cwd: work,
      env: {
        PATH: process.env.PATH,
        HOME: root,
        CLAUDE_CONFIG_DIR: join(root, "claude"),
        TMPDIR: join(root, "tmp"),
        CLAUDE_CODE_TMPDIR: join(root, "tmp"),
        ANTHROPIC_BASE_URL: gateway.url,
        ANTHROPIC_API_KEY: token,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_TELEMETRY: "1",
        CLAUDE_CODE_MAX_RETRIES: "0",
        API_TIMEOUT_MS: String(API_TIMEOUT_MS),
        CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
      },
      settingSources: [],
      tools: ["Bash"],
      allowedTools: ["Bash"],
      systemPrompt: "You are a test.",
      ...options,
      spawnClaudeCodeProcess({ command, args, cwd, env, signal }) {
        const child = spawn(command, args, { cwd, env, signal, stdio: ["pipe", "pipe", "ignore"] });
        processes.push(child);
        child.once("exit", () => exited.resolve());
        return child;
      },
    },
  });
  const seen: SDKMessage[] = [];
  const waiting = new Set<() => void>();
  const ended = (async () => {
    for await (const message of stream) {
      seen.push(message);
      for (const look of waiting) look();
    }
  })();
  let looked = 0;
  /** The next message, of those not looked at yet, that `pick` makes something of. */
  const next = <T>(pick: (message: SDKMessage) => T | undefined): Promise<T> => {
    const found = new Promise<T>((resolve) => {
      const look = () => {
        while (looked < seen.length) {
          const message = seen[looked++];
          const picked = message && pick(message);
          if (picked === undefined) continue;
          waiting.delete(look);
          return resolve(picked);
        }
      };
      waiting.add(look);
      look();
    });
    return Promise.race([found, ended.then(() => Promise.reject(new Error("the process ended")))]);
  };
  return {
    requests,
    next,
    send(text: string): string {
      const uuid = randomUUID();
      const content = [{ type: "text" as const, text }];
      void writer.write({ type: "user", uuid, parent_tool_use_id: null, message: { role: "user", content } });
      return uuid;
    },
    result: () => next((message) => (message.type === "result" ? message : undefined)),
    /** Ends the input and resolves when the process is gone. */
    async close(): Promise<void> {
      await writer.close();
      await Promise.all([ended, exited.promise]);
    },
  };
}

/** The state of a message that Claude Code tells; the SDK's types do not know it. */
function lifecycle(message: unknown): string | undefined {
  const told = new Map(Object.entries(message ?? {}));
  return told.get("type") === "command_lifecycle"
    ? `${told.get("command_uuid")} ${told.get("state")}`
    : undefined;
}

const textOf = (result: Extract<SDKMessage, { type: "result" }>) =>
  "result" in result ? result.result : undefined;

for (const model of MODELS) {
  test(`${model}: a session remembers from turn to turn, and after its process was closed and resumed`, async (t) => {
    const place = await setup(t);
    const first = claude(place, { model });
    first.send("one");
    assert.equal(textOf(await first.result()), 'You said: "one". I remember no earlier messages.');
    first.send("My name is Anna");
    const { session_id, usage } = await first.result();
    assert.ok(usage.input_tokens > 0 && usage.output_tokens > 0);
    await first.close();
    assert.ok(first.requests.every(({ status }) => status === null || status === 200));
    assert.equal(first.requests.filter(({ kind, endedAt }) => kind === "messages" && endedAt).length, 2);

    const second = claude(place, { model, resume: session_id });
    second.send("What did I say?");
    assert.equal(textOf(await second.result()), 'You said, newest first: "My name is Anna", "one".');
    second.send("What is my name?");
    assert.equal(textOf(await second.result()), "Your name is Anna.");
    await second.close();

    const requests = place.model.requests().filter(({ kind }) => kind === "messages");
    const [, before, resumed] = requests.map(({ body }) => history(body));
    assert.ok(before && resumed);
    assert.deepEqual(resumed.slice(0, before.length), before);
    assert.deepEqual(
      resumed.slice(before.length).map(({ role, blocks }) => [role, ...blocks]),
      [
        ["assistant", 'You said: "My name is Anna". I remember 1 earlier message.'],
        ["user", "What did I say?"],
      ],
    );
    for (const { headers } of place.model.requests()) assert.equal(headers["x-api-key"], "real-credential");
  });

  test(`${model}: a message sent while a tool runs is folded into the turn and answered with it`, async (t) => {
    const place = await setup(t);
    place.model.script(({ body }) => {
      const { open } = readConversation(body);
      if (open.join() !== "Run it") return undefined;
      return {
        kind: "tool",
        name: "Bash",
        input: { command: "for i in $(seq 600); do [ -e go ] && break; sleep 0.05; done; echo ran" },
      };
    });
    const it = claude(place, { model });
    const first = it.send("Run it");
    await it.next((message) => (message.type === "assistant" ? message : undefined));
    const second = it.send("Hurry up");
    await it.next((message) => (lifecycle(message) === `${second} queued` ? message : undefined));
    await writeFile(join(place.work, "go"), "");
    const result = await it.result();
    assert.equal(
      textOf(result),
      'You said: "Run it". I remember no earlier messages.\nYou said: "Hurry up". I remember 1 earlier message.',
    );
    assert.deepEqual("user_message_uuids" in result && result.user_message_uuids, [first, second]);
    assert.match(JSON.stringify(place.model.requests().at(-1)?.body.messages), /"ran/);
    await it.close();
  });
}

test("messages that wait together become one turn with a line for each", async (t) => {
  const place = await setup(t);
  const go = Promise.withResolvers<void>();
  place.model.script(({ body }) =>
    readConversation(body).open.includes("one")
      ? { kind: "text", text: "Yes, I do.", hold: go.promise }
      : undefined,
  );
  const it = claude(place, { model: "claude-sonnet-5-5" });
  const arrived = place.model.waitForRequest(({ kind }) => kind === "messages");
  it.send("one");
  await arrived;
  const sent = [it.send("two"), it.send("three\nlines"), it.send("four")];
  await it.next((message) => (lifecycle(message) === `${sent.at(-1)} queued` ? message : undefined));
  go.resolve();
  assert.equal(textOf(await it.result()), "Yes, I do.");
  assert.equal(
    textOf(await it.result()),
    [
      'You said: "two". I remember 1 earlier message.',
      'You said: "three\nlines". I remember 2 earlier messages.',
      'You said: "four". I remember 3 earlier messages.',
    ].join("\n"),
  );
  await it.close();
});

const MODEL = "claude-sonnet-5-5";

/** What the transcripts of the place hold, line by line. */
async function transcriptOf({ root }: { root: string }): Promise<string> {
  const folder = join(root, "claude", "projects");
  const files = await readdir(folder, { recursive: true });
  const texts = files
    .filter((file) => file.endsWith(".jsonl"))
    .map((file) => readFile(join(folder, file), "utf8"));
  return (await Promise.all(texts)).join("\n");
}

test("an API that is overloaded for a while is waited for, and leaves no trace in the transcript", async (t) => {
  const place = await setup(t);
  let failures = 3;
  place.model.script(({ kind }) => {
    if (kind !== "messages" || failures-- <= 0) return undefined;
    return { kind: "error", status: 529, type: "overloaded_error", message: "Overloaded" };
  });
  const it = claude(place, { model: MODEL });
  it.send("one");
  const { is_error, num_turns, ...result } = await it.result();
  assert.deepEqual(
    [is_error, num_turns, textOf({ is_error, num_turns, ...result })],
    [false, 1, 'You said: "one". I remember no earlier messages.'],
  );
  await it.close();
  assert.equal(place.model.requests().filter(({ kind }) => kind === "messages").length, 4);
  assert.deepEqual(
    it.requests
      .filter(({ kind, state }) => kind === "messages" && state === "ended")
      .map(({ attempts }) => attempts),
    [4],
  );
  assert.doesNotMatch(await transcriptOf(place), /error|overload|retry/i);
});

test("an API that is silent for longer than the process's own patience is waited for", async (t) => {
  const place = await setup(t);
  const go = Promise.withResolvers<void>();
  place.model.script(({ kind }) =>
    kind === "messages"
      ? { kind: "gate", until: go.promise, step: { kind: "text", text: "At last." } }
      : undefined,
  );
  const it = claude(place, { model: MODEL });
  const arrived = place.model.waitForRequest(({ kind }) => kind === "messages");
  it.send("one");
  await arrived;
  await new Promise((resolve) => setTimeout(resolve, 2 * API_TIMEOUT_MS));
  go.resolve();
  assert.equal(textOf(await it.result()), "At last.");
  await it.close();
  assert.equal(place.model.requests().filter(({ kind }) => kind === "messages").length, 1);
});

for (const [how, step] of Object.entries<Step>({
  "goes silent": { kind: "stall", text: "The first ha" },
  "is cut": { kind: "reset", afterText: "The first ha" },
  "ends with an error": { kind: "streamError", text: "The first ha", type: "api_error" },
})) {
  test(`a stream that ${how} in the middle is made good by Claude Code itself, and the answer is whole`, async (t) => {
    const place = await setup(t, { stallMs: 300 });
    // It asks to go on from what it has, or once more for a whole answer without a stream.
    place.model.script(({ kind, body }) => {
      if (kind !== "messages") return undefined;
      if (readConversation(body).begun !== "") return { kind: "text", text: "lf and the second." };
      return body.stream ? step : { kind: "text", text: "The first half and the second." };
    });
    const it = claude(place, { model: MODEL });
    it.send("one");
    const said: string[] = [];
    const result = await it.next((message) => {
      if (message.type === "assistant")
        said.push(...message.message.content.map((block) => ("text" in block ? block.text : "")));
      return message.type === "result" ? message : undefined;
    });
    assert.equal(result.is_error, false);
    assert.equal(said.join(""), "The first half and the second.");
    await it.close();
  });
}

for (const pinged of [false, true]) {
  test(`a bad request ${pinged ? "after pings " : ""}fails its turn, and the next message is answered`, async (t) => {
    const place = await setup(t);
    const go = Promise.withResolvers<void>();
    if (!pinged) go.resolve();
    place.model.script(({ kind, body }) =>
      kind === "messages" && readConversation(body).open.at(-1) === "fail"
        ? {
            kind: "gate",
            until: go.promise,
            step: { kind: "error", status: 400, type: "invalid_request_error", message: "No such thing" },
          }
        : undefined,
    );
    const it = claude(place, { model: MODEL });
    const arrived = place.model.waitForRequest(({ kind }) => kind === "messages");
    it.send("fail");
    await arrived;
    if (pinged) await new Promise((resolve) => setTimeout(resolve, 1_000));
    go.resolve();
    const failed = await it.result();
    assert.equal(failed.is_error, true);
    assert.match(textOf(failed) ?? "", /No such thing/);
    it.send("What did I just say?");
    const next = await it.result();
    assert.equal(next.is_error, false);
    assert.match(textOf(next) ?? "", /You just said: "fail"\.$/);
    await it.close();
  });
}
