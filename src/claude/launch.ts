/**
 * Everything that a Claude Code process is told at its start: its options, and its environment built key by key.
 * Nothing of the host's environment is passed on.
 */

import type { Options, SandboxSettings } from "@anthropic-ai/claude-agent-sdk";
import type { Direct, Launch, Sandbox, Space } from "./claude.ts";
import { claudeExecutable } from "./executable.ts";

/**
 * Bounds of the CLI's own patience, all in one place. By default it retries ten times (178 s for a 529) and waits
 * 360 s for a hanging API, 300 s for a stalled stream (measured, CLI 2.1.330): far too long for a chat.
 */
const patience = {
  /** The gateway retries, where it leaves no trace in the transcript; what it passes on at last is not to be waited for again. */
  CLAUDE_CODE_MAX_RETRIES: "0",
  /** ms until the first byte of an answer. Long enough for a whole answer that is not streamed (the CLI's fallback). */
  API_TIMEOUT_MS: "180000",
  /** ms without a byte in mid-stream; the API pings more often than that. 10 000 is the least that the CLI takes. */
  CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: "60000",
};

/** A cut turn is run on, with the calls that were cut shown as such: the model must not think that it never made them. */
const continuation = {
  CLAUDE_CODE_RESUME_INTERRUPTED_TURN: "1",
  CLAUDE_CODE_RESUME_SHOWS_CUT_OFF_CALLS: "1",
};

export function environmentOf(
  launch: Launch,
  path: string,
  direct: Direct | null = null,
): Record<string, string> {
  const { space, api, session } = launch;
  // Nobody else retries for those.
  const { CLAUDE_CODE_MAX_RETRIES: _, ...patienceOfDirect } = patience;
  return {
    // None of them can stand in for one of ours.
    ...(direct ?? { ANTHROPIC_BASE_URL: api.baseUrl, ANTHROPIC_API_KEY: api.token }),
    PATH: path,
    // A tool's `~` is the session's own folder.
    HOME: space.work,
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
    TMPDIR: space.tmp,
    CLAUDE_CODE_TMPDIR: space.tmp,
    CLAUDE_CONFIG_DIR: space.claude,
    CLAUDE_AGENT_SDK_CLIENT_APP: "switchboard",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_TELEMETRY: "1",
    DISABLE_AUTOUPDATER: "1",
    // A task in the background would start turns that nobody asked for.
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
    // The conversation is the memory; notes that the CLI keeps on the side would be a second one.
    CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
    ...(direct === null ? patience : patienceOfDirect),
    // Only then: an ordinary resume must never run an old turn again.
    ...(session.mode === "continue" ? continuation : {}),
  };
}

export function optionsOf(launch: Launch, path: string, direct: Direct | null = null): Options {
  const { session, space, tools } = launch;
  return {
    ...(claudeExecutable === undefined ? {} : { pathToClaudeCodeExecutable: claudeExecutable }),
    cwd: space.work,
    env: environmentOf(launch, path, direct),
    model: launch.model,
    ...(launch.fallbackModel === null ? {} : { fallbackModel: launch.fallbackModel }),
    // Not recorded in the transcript, so that a changed prompt holds from the next turn on.
    systemPrompt: { type: "custom", prompt: launch.systemPrompt, snapshot: false },
    ...beginningOf(session),
    // No CLAUDE.md, no settings.json of anybody.
    settingSources: [],
    settings: {
      // Days. The CLI deletes transcripts that are older than this, 30 days by default.
      cleanupPeriodDays: 36_500,
    },
    tools: [...tools],
    // No rule of its own allows anything: what its hook did not judge it has to ask for.
    permissionMode: "default",
    ...(launch.sandbox === null ? {} : { sandbox: sandboxOf(launch.sandbox, launch.space) }),
    strictMcpConfig: true,
    includePartialMessages: true,
  };
}

/** Refuses to run where there is no sandbox, and to run anything outside of it. */
function sandboxOf(
  { home, readFolders, writeFolders, hosts }: Sandbox,
  { work, tmp }: Space,
): SandboxSettings {
  return {
    enabled: true,
    failIfUnavailable: true,
    allowUnsandboxedCommands: false,
    filesystem: {
      denyRead: [home],
      allowRead: [work, tmp, ...readFolders, ...writeFolders],
      allowWrite: [work, tmp, ...writeFolders],
    },
    network: {
      allowedDomains: [...hosts],
      strictAllowlist: true,
      allowUnixSockets: [],
      allowLocalBinding: false,
    },
  };
}

function beginningOf(session: Launch["session"]): Options {
  const { sdkSessionId } = session;
  return session.mode === "create" ? { sessionId: sdkSessionId } : { resume: sdkSessionId };
}
