/**
 * A session's process, from its launch to the end of its tree, and what the session has to remember of it.
 * New or resume is decided by what is on disk; the ledger says under which id to look.
 */

import {
  type Claude,
  type ClaudeEvent,
  type ClaudeProcess,
  findTranscript,
  openSpace,
  savedCost,
} from "../claude/index.ts";
import type { Clock } from "../clock.ts";
import type { Policy } from "../contacts/tiers.ts";
import type { Gateway, GatewayToken } from "../gateway/index.ts";
import type { Session as SessionRecord } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { linkSpace } from "./link.ts";

export interface Live {
  readonly generation: number;
  readonly policy: Policy;
  readonly process: ClaudeProcess;
  /** Wall time in ms. */
  readonly since: number;
  readonly token: GatewayToken;
  /** Lets the next start begin; only the first call counts. */
  readonly startDone: () => void;
  /** Why we are closing it; null while we are not. */
  closing: string | null;
  ready: boolean;
  /** In ms of the monotonic clock; null while something is open. */
  idleSince: number | null;
  failuresInARow: number;
  /** The facts that have been handed over; proven when their turn has ended. */
  toldFacts: string | null;
  /** Times of the running turn's first model request. */
  request: { n: number; leftAt: number; firstByteAt: number | null } | null;
  /** Resolves when nothing of its tree is left. */
  readonly over: PromiseWithResolvers<void>;
  /** The messages that its end put back into the queue. */
  readonly requeued: PromiseWithResolvers<string[]>;
}

/** The session's files, and whether there is a conversation to resume. */
export interface Ground {
  space: Awaited<ReturnType<typeof openSpace>>;
  sdkSessionId: string;
  transcript: string | null;
  costSoFarUsd: number;
}

export async function prepareGround(
  record: SessionRecord,
  name: string,
  folders: { spaces: string; links: string },
  log: Logger,
): Promise<Ground> {
  const space = await openSpace(folders.spaces, record.id);
  await linkSpace(folders.links, name, space.work, log);
  const sdkSessionId = record.sdkSessionId ?? record.id;
  const transcript = await findTranscript(space, sdkSessionId);
  return {
    space,
    sdkSessionId,
    transcript,
    costSoFarUsd: transcript === null ? 0 : await savedCost(transcript),
  };
}

export interface Spawn {
  generation: number;
  policy: Policy;
  ground: Ground;
  /** What Claude was told before, if its conversation is still there. */
  toldFacts: string | null;
  startDone: () => void;
  onEvent: (event: ClaudeEvent) => void;
}

/** Throws when the process cannot be spawned. */
export function spawnLive(services: { claude: Claude; gateway: Gateway; clock: Clock }, spawn: Spawn): Live {
  const { claude, gateway, clock } = services;
  const { generation, policy, ground, startDone, onEvent } = spawn;
  let live: Live | null = null;
  const token = gateway.issue({
    generation,
    onRequest: ({ n, kind, leftAt, firstByteAt }) => {
      if (live === null || kind !== "messages") return;
      if (live.request === null || live.request.n === n) live.request = { n, leftAt, firstByteAt };
    },
  });
  try {
    const process = claude.launch({
      generation,
      space: ground.space,
      session: { mode: ground.transcript === null ? "create" : "resume", sdkSessionId: ground.sdkSessionId },
      model: policy.model,
      fallbackModel: policy.fallbackModel,
      systemPrompt: policy.systemPrompt,
      tools: policy.tools,
      costSoFarUsd: ground.costSoFarUsd,
      api: { baseUrl: gateway.url, token: token.token },
      onEvent,
    });
    live = {
      generation,
      policy,
      process,
      token,
      startDone,
      since: clock.now(),
      closing: null,
      ready: false,
      idleSince: null,
      failuresInARow: 0,
      toldFacts: ground.transcript === null ? null : spawn.toldFacts,
      request: null,
      over: Promise.withResolvers(),
      requeued: Promise.withResolvers(),
    };
    return live;
  } catch (error) {
    token.revoke();
    throw error;
  }
}
