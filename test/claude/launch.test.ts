import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Beginning, Launch } from "../../src/claude/claude.ts";
import { claudeExecutable } from "../../src/claude/executable.ts";
import { environmentOf, optionsOf } from "../../src/claude/launch.ts";

const launch: Launch = {
  generation: 7,
  space: { work: "/s/work", claude: "/s/claude", tmp: "/s/tmp" },
  session: { mode: "create", sdkSessionId: "the-session" },
  model: "opus",
  fallbackModel: "sonnet",
  systemPrompt: "Be brief.",
  tools: ["Read", "Write", "Edit", "Bash", "Glob", "Grep", "WebSearch", "WebFetch"],
  sandbox: null,
  costSoFarUsd: 0,
  api: { baseUrl: "http://127.0.0.1:4711", token: "worth nothing elsewhere" },
  beforeTool: async () => null,
  onEvent: () => {},
};
const path = "/usr/bin:/bin";

const environment = {
  PATH: path,
  HOME: "/s/work",
  SHELL: "/bin/sh",
  LANG: "C.UTF-8",
  TMPDIR: "/s/tmp",
  CLAUDE_CODE_TMPDIR: "/s/tmp",
  CLAUDE_CONFIG_DIR: "/s/claude",
  ANTHROPIC_BASE_URL: "http://127.0.0.1:4711",
  ANTHROPIC_API_KEY: "worth nothing elsewhere",
  CLAUDE_AGENT_SDK_CLIENT_APP: "switchboard",
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  DISABLE_TELEMETRY: "1",
  DISABLE_AUTOUPDATER: "1",
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
  CLAUDE_CODE_MAX_RETRIES: "0",
  API_TIMEOUT_MS: "180000",
  CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: "60000",
};

describe("a process's environment", () => {
  const host = new Map<string, string | undefined>();
  beforeEach(() => {
    for (const key of [...Object.keys(environment), "ANTHROPIC_AUTH_TOKEN", "NODE_OPTIONS", "HOST_SECRET"]) {
      host.set(key, process.env[key]);
      process.env[key] = "the host's";
    }
  });
  afterEach(() => {
    for (const [key, value] of host) {
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  });

  it("has a provider's variables instead of the gateway's, none of them in the place of ours", () => {
    const direct = { CLAUDE_CODE_USE_BEDROCK: "1", AWS_REGION: "eu-central-1", HOME: "/root", PATH: "/evil" };
    const {
      ANTHROPIC_BASE_URL: _,
      ANTHROPIC_API_KEY: __,
      CLAUDE_CODE_MAX_RETRIES: ___,
      ...ours
    } = environment;
    assert.deepEqual(environmentOf(launch, path, direct), {
      ...{ CLAUDE_CODE_USE_BEDROCK: "1", AWS_REGION: "eu-central-1" },
      ...ours,
    });
  });

  it("has exactly these keys, whatever the host's environment holds", () => {
    assert.deepEqual(environmentOf(launch, path), environment);
    assert.deepEqual(optionsOf(launch, path).env, environment);
  });

  it("has Claude Code run a cut turn on when that is what it was started for, and only then", () => {
    const sdkSessionId = "id";
    const resumed = { mode: "resume", sdkSessionId } as const;
    assert.deepEqual(environmentOf({ ...launch, session: resumed }, path), environment);
    const session = { mode: "continue", sdkSessionId, text: "So far" } as const;
    assert.deepEqual(environmentOf({ ...launch, session }, path), {
      ...environment,
      CLAUDE_CODE_RESUME_INTERRUPTED_TURN: "1",
      CLAUDE_CODE_RESUME_SHOWS_CUT_OFF_CALLS: "1",
    });
  });
});

describe("a process's options", () => {
  it("are exactly these", () => {
    assert.deepEqual(optionsOf(launch, path), {
      pathToClaudeCodeExecutable: claudeExecutable,
      cwd: "/s/work",
      env: environment,
      model: "opus",
      fallbackModel: "sonnet",
      systemPrompt: { type: "custom", prompt: "Be brief.", snapshot: false },
      sessionId: "the-session",
      settingSources: [],
      settings: { cleanupPeriodDays: 36_500 },
      tools: launch.tools,
      permissionMode: "default",
      strictMcpConfig: true,
      includePartialMessages: true,
    });
  });

  it("begin a session or resume one, never both", () => {
    const sessionOf = (beginning: Beginning) => {
      const options = optionsOf({ ...launch, session: { sdkSessionId: "id", ...beginning } }, path);
      const keys = ["sessionId", "resume", "resumeSessionAt", "continue"];
      return Object.fromEntries(Object.entries(options).filter(([key]) => keys.includes(key)));
    };
    assert.deepEqual(sessionOf({ mode: "create" }), { sessionId: "id" });
    assert.deepEqual(sessionOf({ mode: "resume" }), { resume: "id" });
    assert.deepEqual(sessionOf({ mode: "continue", text: "So far" }), { resume: "id" });
  });

  it("name no fallback when there is none", () => {
    assert.ok(!("fallbackModel" in optionsOf({ ...launch, fallbackModel: null }, path)));
  });

  it("have commands run in a sandbox when there are bounds for them, or not at all", () => {
    const bounds = { home: "/home", readFolders: ["/r"], writeFolders: ["/w"], hosts: ["a.org"] };
    const { sandbox } = optionsOf({ ...launch, sandbox: bounds }, path);
    const { work, tmp } = launch.space;
    assert.deepEqual(sandbox, {
      ...{ enabled: true, failIfUnavailable: true, allowUnsandboxedCommands: false },
      filesystem: { denyRead: ["/home"], allowRead: [work, tmp, "/r", "/w"], allowWrite: [work, tmp, "/w"] },
      network: {
        allowedDomains: ["a.org"],
        strictAllowlist: true,
        allowUnixSockets: [],
        allowLocalBinding: false,
      },
    });
  });

  it("allow no tool by a rule: what may run is asked for each time", () => {
    assert.ok(!("allowedTools" in optionsOf(launch, path)));
  });

  it("give no tools, not even the default ones, to a tier that has none", () => {
    assert.deepEqual(optionsOf({ ...launch, tools: [] }, path).tools, []);
  });
});
