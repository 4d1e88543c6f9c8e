/**
 * One chat's session: everything that is open in it, and the process that serves it at the moment.
 *
 * The run loop serves one process after the other: launch it, hand over what comes, recover what its end left open.
 * In between, everything is driven by what happens (a message, an event of the process, an action), and each of
 * these ends in `#pump`, which hands over whatever may be handed over now. So nothing is forgotten by a missed turn.
 *
 * - A message is charged in the ledger before it is handed over, and handed over in the order of acceptance.
 * - While somebody holds the session (a stop, a close, a reset), nothing is handed over and nothing is launched.
 * - What crashes here is not patched up: the manager throws this object away and starts anew from the ledger.
 */

import { randomUUID } from "node:crypto";
import type { Claude } from "../claude/index.ts";
import { type Clock, sleep } from "../clock.ts";
import { effectiveTier, type Policy, type Tiers } from "../contacts/tiers.ts";
import { SwitchboardError } from "../errors.ts";
import type { Gateway } from "../gateway/index.ts";
import type {
  Claim,
  Contact,
  ContactPatch,
  Ending,
  Inbound,
  Ledger,
  Message,
  Sender,
  Session as SessionRecord,
  Try,
} from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import type { ChatState, Waiting } from "../views.ts";
import { Book } from "./book.ts";
import { contentOf, factsOf } from "./content.ts";
import { acceptedEntry, type End, type Entry, inHand, leftEntry, nextUuid, unfinished } from "./entry.ts";
import { type Folders, prepareGround, takenIn } from "./ground.ts";
import { couldJoin, handover } from "./handover.ts";
import { judge, livedLongMs, pingLimitMs, restartDelayMs } from "./health.ts";
import { Holds } from "./holds.ts";
import { cutTurn, endingsAfter, stoppedBefore } from "./outcome.ts";
import type { Pool, Tenant } from "./pool.ts";
import { decide, maxTries } from "./recovery.ts";
import { type Over, Serving } from "./serving.ts";

/** What a session is given: its siblings' services and the manager's ear. */
export interface Surroundings {
  ledger: Ledger;
  claude: Claude;
  gateway: Gateway;
  pool: Pool;
  clock: Clock;
  log: Logger;
  tiers: Tiers;
  hostId: string;
  folders: Folders;
  limits: { idleMs: number; drainMs: number; stopMs: number };
  /** Aborts when the patience at shutdown has ended. */
  hurry: AbortSignal;
  /** A piece of text on its way. */
  onText(piece: { chatId: string; turnId: string; offset: number; text: string }): void;
  /** Nothing is left to do, and no process. Called when nobody has anything of this session in hand. */
  onDormant(session: Session): void;
  /** The session is of no use any more. May be called more than once. */
  onCrash(session: Session, error: unknown): void;
}

/** ms between one interrupt and the next while a stop waits for its effect. */
const interruptEveryMs = 1000;

export class Session implements Tenant {
  readonly chatId: string;
  readonly #around: Surroundings;
  readonly #log: Logger;
  readonly #book: Book;
  readonly #holds: Holds;
  /** Everything open, in the order of acceptance. */
  #entries: Entry[] = [];
  #serving: Serving | null = null;
  /** In ms of the monotonic clock; null while something is open. */
  #idleSince: number | null = null;
  #launching: { abort: AbortController; settled: Promise<unknown> } | null = null;
  #running: Promise<void> | null = null;
  #draining = false;
  #thrownAway = false;
  /** Why a process is wanted even without a message. */
  #wake: "restart" | "replacement" | null = null;
  /** Acceptances under way that may come with a claim on the process. */
  #claims = 0;
  /** Processes in a row that came to nothing. */
  #deaths: number;

  /** `crashes`: how often this session has been started anew without coming to rest. */
  constructor(chatId: string, around: Surroundings, crashes = 0) {
    this.chatId = chatId;
    this.#around = around;
    this.#log = around.log.child({ chatId });
    this.#deaths = crashes;
    const { ledger, clock, hostId, hurry } = around;
    const onFailure = (error: unknown) => around.onCrash(this, error);
    this.#book = new Book({ chatId, hostId, ledger, clock, log: this.#log, hurry, onFailure });
    this.#holds = new Holds({
      onHeld: () => {
        this.#launching?.abort.abort();
        return this.#launching?.settled;
      },
      onReleased: () => this.#kick(),
    });
  }

  // What others see

  get state(): ChatState {
    return this.#serving?.state ?? (this.#launching === null ? "dormant" : "starting");
  }

  get process(): { pid: number; generation: number; since: number } | null {
    return this.#serving;
  }

  get idleSince(): number | null {
    return this.#claims > 0 || this.#holds.held || this.state !== "idle" ? null : this.#idleSince;
  }

  /** What an open message waits for; null when the session does not have it. */
  waitingOf(messageId: string): Waiting | null {
    if (!this.#entries.some(({ message }) => message.id === messageId)) return null;
    if (this.#serving !== null) return this.#serving.waiting;
    const position = this.#around.pool.position(this);
    return position === null ? { for: "start" } : { for: "slot", position };
  }

  // Messages

  /** Takes over what an earlier daemon (or a crashed session) left open. */
  adopt(open: ReadonlyArray<{ message: Message; tries: readonly Try[] }>): void {
    const now = this.#around.clock.monotonic();
    for (const { message, tries } of open) this.#entries.push(leftEntry(message, tries, now));
    this.#kick();
  }

  /**
   * The right to charge a message's first try together with its acceptance, when it could be handed over at once.
   * Each claim is followed by `unclaim`, after `deliver` if the message was accepted.
   */
  claim({ sender, route, contact }: Pick<Inbound, "sender" | "route" | "contact">): Claim | null {
    const serving = this.#serving;
    if (serving === null || this.#isHeld(serving)) return null;
    // Somebody waits for a slot: what comes now may have to let them go first.
    if (this.#around.pool.isContended) return null;
    const { lease, contact: known } = this.#book.known;
    // A changed contact may need another policy, and is a fact to be told.
    if (!changesNothing(contact, known)) return null;
    if (!couldJoin(this.#entries, this.#policyOf(sender) === serving.policy, route)) return null;
    this.#claims += 1;
    return { epoch: lease.epoch, generation: serving.generation };
  }

  unclaim(): void {
    this.#claims -= 1;
    this.#around.pool.makeRoom();
  }

  /** An accepted message. `claim`: under which its first try has been charged with the acceptance. */
  deliver(message: Message, claim: Claim | null): void {
    const entry = acceptedEntry(message, claim !== null, this.#around.clock.monotonic());
    this.#entries.push(entry);
    if (claim !== null && this.#serving?.generation !== claim.generation) this.#takeBack(entry);
    this.#kick();
  }

  /** Changes hold from the next message on. */
  contactChanged(contact: Contact): void {
    if (this.#book.page !== null) this.#book.page.contact = contact;
  }

  // Actions

  /** Ends everything that is open now; goes past the queue and past other actions. */
  stop(): Promise<Array<{ id: string; ran: boolean }>> {
    const targets = [...this.#entries];
    for (const entry of targets) entry.stopRequested = true;
    // Those with a write under way are ended when it is done, those in hand by the interrupt.
    this.#endMessages(
      targets.filter(({ phase }) => phase === "queued" || phase === "charged"),
      stoppedBefore,
    );
    return this.#holds.hold(async () => {
      await this.#interruptUntil(Promise.all(targets.map(({ end }) => end.promise)));
      await this.#book.settled();
      const ends = await Promise.all(
        targets.map(async ({ message, end }) => ({ id: message.id, ...(await end.promise) })),
      );
      return ends.flatMap(({ id, status, ran }) => (status === "stopped" ? [{ id, ran }] : []));
    });
  }

  /** Closes the process when its turn has ended, or after the drain limit. Null: there was none. */
  close(reason: string): Promise<{ requeued: string[] } | null> {
    return this.#holds.exclusive(() => this.#closeWhenFree(reason));
  }

  /** A new process on the same session. */
  restart(reason: string): Promise<{ requeued: string[] }> {
    return this.#holds.exclusive(async () => {
      const closed = await this.#closeWhenFree(reason);
      this.#wake = "restart";
      return { requeued: closed?.requeued ?? [] };
    });
  }

  /** Stop, and a new session. */
  reset(): Promise<{ stopped: Array<{ id: string; ran: boolean }>; record: SessionRecord }> {
    return this.#holds.exclusive(async () => {
      const stopped = await this.stop();
      await this.#closeWhenFree("reset");
      const page = await this.#book.open();
      const { session } = await this.#book.write((ledger, lease) => ledger.resetSession(lease, randomUUID()));
      page.record = session;
      return { stopped, record: session };
    });
  }

  /** The session before the last reset again. `busy` while something is open; null when there is none. */
  undoReset(): Promise<{ record: SessionRecord } | "busy" | null> {
    return this.#holds.exclusive(async () => {
      if (this.#entries.length > 0) return "busy";
      await this.#closeWhenFree("reset undone");
      const page = await this.#book.open();
      const undone = await this.#book.write((ledger, lease) => ledger.undoReset(lease));
      if (undone === null) return null;
      page.record = undone.session;
      return { record: undone.session };
    });
  }

  /** For shutdown: nothing is handed over any more; the turn may end, the process is closed, the queue stays. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.close("shutdown");
    await this.#running;
    await this.#book.settled();
  }

  /** Looks whether the process is well and still needed, and acts on it. */
  async check(): Promise<void> {
    const serving = this.#serving;
    if (serving === null || serving.state === "starting" || serving.state === "closing") return;
    const over = new AbortController();
    const limit = sleep(this.#around.clock, pingLimitMs, over.signal).then(() => false);
    const answered = await Promise.race([serving.ping().then(() => true), limit]);
    over.abort();
    this.#judge(serving, answered);
  }

  /** The pool needs the slot of the idle process. */
  yieldSlot(): void {
    this.#serving?.close("its slot is needed");
  }

  /** Gives everything up, for a session that is thrown away. Resolves when nothing of its process's tree is left. */
  async abandon(): Promise<void> {
    this.#thrownAway = true;
    this.#draining = true;
    this.#holds.abandon(crashed());
    this.#launching?.abort.abort();
    await this.#launching?.settled;
    const serving = this.#serving;
    serving?.close("the session crashed", "terminate");
    await serving?.over;
    this.#around.pool.release(this);
  }

  // The run loop

  #kick(): void {
    if (this.#thrownAway) return;
    if (this.#running !== null) {
      this.#pump();
      return;
    }
    this.#running = this.#run().then(
      () => {
        this.#running = null;
        if (this.#wanted()) this.#kick();
        else if (!this.#holds.held) this.#goDormant();
      },
      (error) => this.#around.onCrash(this, error),
    );
  }

  async #run(): Promise<void> {
    await this.#book.open();
    await this.#recover(null);
    while (this.#wanted()) {
      if (this.#holds.held) {
        await this.#holds.released;
        continue;
      }
      const serving = await this.#launch();
      if (serving === null) continue;
      this.#pump();
      const over = await serving.over;
      this.#noteDeath(over);
      this.#serving = null;
      this.#around.pool.release(this);
      serving.requeued.resolve(await this.#recover(over));
    }
  }

  #wanted(): boolean {
    return !this.#draining && (this.#wake !== null || this.#entries.length > 0);
  }

  #goDormant(): void {
    this.#book.later((ledger, lease) => ledger.release(lease));
    this.#around.onDormant(this);
  }

  /** Waits for a slot and a start, then spawns the process. Null: it is not wanted now, or could not be started. */
  async #launch(): Promise<Serving | null> {
    const { clock, pool } = this.#around;
    const abort = new AbortController();
    const settled = Promise.withResolvers<void>();
    this.#launching = { abort, settled: settled.promise };
    try {
      const delay = restartDelayMs(this.#deaths);
      if (delay > 0) await sleep(clock, delay, abort.signal);
      if (!(await pool.acquire(this, abort.signal))) return null;
      if (await pool.starts.enter(abort.signal)) await this.#spawn(abort.signal);
      return this.#serving;
    } finally {
      if (this.#serving === null) pool.release(this);
      this.#launching = null;
      settled.resolve();
    }
  }

  /** Sets `#serving` unless it fails or is called off. Has a place among the starts, and leaves it when it is done. */
  async #spawn(calledOff: AbortSignal): Promise<void> {
    const { pool, folders, claude, gateway, clock, onText } = this.#around;
    const startDone = once(() => pool.starts.leave());
    const book = this.#book;
    try {
      this.#refuseUnwelcome();
      const first = this.#entries[0];
      const policy = this.#policyOf(first?.message.sender ?? null);
      if (policy === undefined) this.#wake = null;
      if (policy === undefined || !this.#wanted()) return;
      const { record, name } = book.known;
      const reason = first === undefined ? (this.#wake ?? "restart") : "message";
      const { generation } = await book.write((ledger, lease) =>
        ledger.beginProcess(lease, record.id, reason),
      );
      try {
        const ground = await prepareGround(record, name, folders, this.#log);
        if (ground.transcript === null) this.#noteMissing(record);
        // Nothing is waited for between here and the spawn: whoever has called it off finds no process later.
        if (calledOff.aborted) {
          const why = "not needed any more";
          book.later((ledger, lease) => ledger.processEnded(lease, generation, why));
          return;
        }
        const serving = new Serving({
          ...{ generation, policy, ground, book, claude, gateway, clock },
          onReady: () => {
            startDone();
            this.#pump();
          },
          onText: (piece) => onText({ chatId: this.chatId, ...piece }),
          onEnd: (ends) => this.#leave(ends),
          onDropped: (entry) => this.#dropped(entry),
          onTurnEnded: () => {
            this.#judge(serving, true);
            this.#pump();
          },
        });
        this.#serving = serving;
        void serving.over.then(startDone);
        this.#wake = null;
        book.later((ledger, lease) => ledger.processStarted(lease, generation, serving.pid));
      } catch (error) {
        await this.#startFailed(generation, error);
      }
    } finally {
      if (this.#serving === null) startDone();
    }
  }

  /** A conversation begins; where there should have been one, that is said. */
  #noteMissing({ id, sdkSessionId }: SessionRecord): void {
    const { unprovenSessionId } = this.#book.known;
    if (sdkSessionId !== null) {
      const text = "The transcript of this session is not there any more; the conversation begins anew.";
      this.#log.error({ sessionId: id }, text);
      this.#book.note({ type: "notice", code: "transcript_missing", text });
    } else if (unprovenSessionId !== null) {
      const text = `The session ${unprovenSessionId} was imported without its transcript; the conversation begins anew.`;
      this.#book.note({ type: "notice", code: "session_unproven", text });
    }
  }

  /** The system did not let us spawn it. After so many times in a row the messages fail instead of waiting for ever. */
  async #startFailed(generation: number, error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    this.#log.error({ generation, error: message }, "a process could not be started");
    await this.#book.write((ledger, lease) => ledger.processEnded(lease, generation, message));
    this.#deaths += 1;
    if (this.#deaths < maxTries) return;
    this.#deaths = 0;
    this.#wake = null;
    this.#endMessages(this.#entries, {
      status: "failed",
      ran: null,
      error: { code: "start_failed", message },
    });
  }

  #noteDeath({ unexpected, lived, worked, reason, stderr }: Over): void {
    if (!unexpected) return;
    this.#log.warn({ reason, stderr }, "the process ended unexpectedly");
    this.#deaths = worked || lived > livedLongMs ? 1 : this.#deaths + 1;
    // Started anew before it is asked for, but not at somebody else's cost and not for ever.
    if (this.#deaths <= maxTries && !this.#around.pool.isContended) this.#wake = "replacement";
  }

  /**
   * Decides about every message that was charged under a process that is gone, `over`, or under an earlier daemon's.
   * Returns those that are queued again.
   */
  async #recover(over: Over | null): Promise<string[]> {
    await this.#book.settled();
    const open = this.#entries.filter(({ phase }) => phase !== "queued");
    if (open.length === 0) return [];
    const inTranscript = await takenIn(this.#book.known.record, this.#around.folders);
    const verdicts = decide(open.map(unfinished), inTranscript);
    const requeued = verdicts.flatMap(({ messageId, action }) => (action === "send" ? [messageId] : []));
    const endings = endingsAfter(verdicts);
    const turn = over?.turn ?? null;
    await this.#book.write(async (ledger, lease) => {
      if (requeued.length > 0) await ledger.requeue(lease, requeued);
      if (turn !== null) await ledger.endTurn(lease, cutTurn(turn, endings));
      else if (endings.length > 0) await ledger.endMessages(lease, endings);
    });
    const byId = new Map(endings.map((ending) => [ending.messageId, ending]));
    for (const entry of open) {
      const ending = byId.get(entry.message.id);
      if (ending !== undefined)
        this.#leave([{ entry, end: { status: ending.status, ran: ending.ran ?? true } }]);
      else entry.phase = "queued";
    }
    this.#stopLate(open.filter(({ phase }) => phase === "queued"));
    return requeued;
  }

  // Handing over

  #pump(): void {
    const serving = this.#serving;
    if (serving === null || this.#isHeld(serving)) return;
    this.#refuseUnwelcome();
    if (this.#givesWay(serving)) return;
    const next = handover(this.#entries, (sender) => this.#policyOf(sender) === serving.policy);
    for (const entry of next.handOver) this.#handOver(serving, entry);
    if (next.charge.length > 0) this.#charge(serving, next.charge);
    if (next.otherPolicy) serving.close("the next message needs another policy");
    this.#noteIdle(serving);
  }

  /**
   * When another chat has waited for a slot since before our next message came, that chat is first: nothing more is
   * handed over, and when nothing is in hand any more the process makes room. Else a chat that never stops writing
   * would keep its slot for ever.
   */
  #givesWay(serving: Serving): boolean {
    const next = this.#entries.find((entry) => !inHand(entry));
    if (next?.phase !== "queued" || !this.#around.pool.givesWay(this, next.since)) return false;
    if (!serving.hasHands) serving.close("its slot is needed");
    return true;
  }

  #charge(serving: Serving, entries: readonly Entry[]): void {
    const tries = entries.map((entry) => ({ entry, messageId: entry.message.id, sdkUuid: nextUuid(entry) }));
    for (const { entry, sdkUuid } of tries) {
      entry.phase = "pending";
      entry.sdkUuids.push(sdkUuid);
    }
    this.#book.later(async (ledger, lease) => {
      await ledger.charge(
        lease,
        serving.generation,
        tries.map(({ messageId, sdkUuid }) => ({ messageId, sdkUuid })),
      );
      for (const entry of entries) entry.phase = "charged";
      this.#stopLate(entries);
      this.#pump();
    });
  }

  #handOver(serving: Serving, entry: Entry): void {
    const { contact } = this.#book.known;
    serving.handOver(entry, factsOf(contact), (news) => contentOf(entry.message, contact.group, news));
  }

  /** Charged under a process that was gone before it could be handed over: the try is lost. */
  #takeBack(entry: Entry): void {
    entry.phase = "pending";
    this.#book.later(async (ledger, lease) => {
      await ledger.requeue(lease, [entry.message.id]);
      entry.phase = "queued";
      this.#stopLate([entry]);
      this.#kick();
    });
  }

  /** A stop came while a write about their tries was under way. */
  #stopLate(entries: readonly Entry[]): void {
    this.#endMessages(
      entries.filter(({ stopRequested }) => stopRequested),
      stoppedBefore,
    );
  }

  #isHeld(serving: Serving): boolean {
    return this.#holds.held || this.#draining || serving.state === "closing";
  }

  /** Undefined: refused. */
  #policyOf(sender: Sender | null): Policy | undefined {
    return this.#around.tiers.get(effectiveTier(this.#book.known.contact.tier, sender?.tier));
  }

  /** A contact may have been changed to a refused tier after its messages were accepted. */
  #refuseUnwelcome(): void {
    const error = {
      code: "refused_contact",
      message: "The contact's tier was changed to one that is refused.",
    };
    this.#endMessages(
      this.#entries.filter(({ phase, message }) => phase === "queued" && !this.#policyOf(message.sender)),
      { status: "refused", ran: null, error },
    );
  }

  /** The process will not run it: cancelled by our interrupt, or taken for one that it knows. */
  #dropped(entry: Entry): void {
    const error = { code: "interrupted", message: "The process did not run the message." };
    this.#endMessages([entry], entry.stopRequested ? stoppedBefore : { status: "failed", ran: null, error });
    this.#pump();
  }

  /** Ends messages outside of a turn. */
  #endMessages(entries: readonly Entry[], how: Omit<Ending, "messageId">): void {
    if (entries.length === 0) return;
    const endings = entries.map(({ message }) => ({ messageId: message.id, ...how }));
    this.#book.later((ledger, lease) => ledger.endMessages(lease, endings));
    this.#leave(entries.map((entry) => ({ entry, end: { status: how.status, ran: how.ran ?? false } })));
  }

  /** These have their end, and the write that says so is under way. */
  #leave(ends: ReadonlyArray<{ entry: Entry; end: End }>): void {
    const left = new Set(ends.map(({ entry }) => entry));
    this.#entries = this.#entries.filter((entry) => !left.has(entry));
    for (const { entry, end } of ends) {
      if (end.status === "answered") this.#deaths = 0;
      entry.end.resolve(end);
    }
  }

  // Closing

  #judge(serving: Serving, answered: boolean): void {
    if (serving.state === "closing") return;
    const { clock, limits } = this.#around;
    const { failuresInARow } = serving;
    const judgement = judge(
      { failuresInARow, idleSince: this.idleSince, answered },
      clock.monotonic(),
      limits,
    );
    if (judgement.verdict === "healthy") return;
    this.#log.info({ generation: serving.generation, ...judgement }, "closing the process");
    if (judgement.verdict === "sick") this.#wake = "replacement";
    if (answered) serving.close(judgement.reason);
    else serving.close(judgement.reason, "kill");
  }

  /** Lets what is in the process's hands end, then closes it; after the drain limit, or in a hurry, it is ended as it is. */
  async #closeWhenFree(reason: string): Promise<{ requeued: string[] } | null> {
    const serving = this.#serving;
    if (serving === null) return null;
    const { limits } = this.#around;
    await this.#within(limits.drainMs, serving.handsFree);
    serving.close(reason);
    return { requeued: await serving.requeued.promise };
  }

  /** Interrupts until `ends` resolves; after the stop limit, or in a hurry, the process is ended. */
  async #interruptUntil(ends: Promise<unknown>): Promise<void> {
    const { clock, limits } = this.#around;
    this.#serving?.interrupt();
    const cancel = clock.every(interruptEveryMs, () => this.#serving?.interrupt());
    if (!(await this.#within(limits.stopMs, ends)))
      this.#serving?.close("did not stop when asked to", "terminate");
    cancel();
    await ends;
  }

  /** Whether `work` settles before `ms` have passed or somebody is in a hurry. */
  async #within(ms: number, work: Promise<unknown>): Promise<boolean> {
    const { clock, hurry } = this.#around;
    const done = new AbortController();
    const late = sleep(clock, ms, AbortSignal.any([hurry, done.signal])).then(() => false);
    const inTime = await Promise.race([work.then(() => true), late]);
    done.abort();
    return inTime;
  }

  #noteIdle(serving: Serving): void {
    if (serving.state !== "idle" || this.#entries.length > 0) {
      this.#idleSince = null;
      return;
    }
    this.#idleSince ??= this.#around.clock.monotonic();
    this.#around.pool.makeRoom();
  }
}

/** Whether the patch would change nothing. */
function changesNothing({ name, tier, group }: ContactPatch, contact: Contact): boolean {
  return (
    (name === undefined || name === contact.name) &&
    (tier === undefined || tier === contact.tier) &&
    (group === undefined || group === contact.group)
  );
}

function crashed(): SwitchboardError {
  return new SwitchboardError("busy", "the session crashed and is being started anew", {
    hint: "Try again.",
  });
}

function once(fn: () => void): () => void {
  let done = false;
  return () => {
    if (!done) fn();
    done = true;
  };
}
