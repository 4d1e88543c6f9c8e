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
import type { Claude, CompactionOutcome } from "../claude/index.ts";
import { type Clock, sleep } from "../clock.ts";
import type { Policy, Tiers } from "../contacts/tiers.ts";
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
  Notice,
  QueueMode,
  Sender,
  Session as SessionRecord,
  Try,
} from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import type { ChatState, Waiting, WaitingFor } from "../views.ts";
import type { Approvals } from "./approvals.ts";
import { Book } from "./book.ts";
import type { Budgets } from "./budgets.ts";
import { contentOf, factsOf } from "./content.ts";
import { Conversation } from "./conversation.ts";
import { Deaths } from "./deaths.ts";
import type { EndReason } from "./ends.ts";
import {
  acceptedEntry,
  type End,
  type Entry,
  inHand,
  leftEntry,
  nextUuid,
  putBack,
  sendOf,
} from "./entry.ts";
import type { Folders } from "./ground.ts";
import { couldJoin, couldShare, handover } from "./handover.ts";
import { type Bounds, diagnose, limits, quarantine } from "./health.ts";
import { Holds } from "./holds.ts";
import { type Launch, Launcher, type Plan } from "./launcher.ts";
import { failureNotices, noticeOf, pauseNotices, stopNotice, stoppedNotices } from "./notices.ts";
import { stoppedBefore } from "./outcome.ts";
import { isHold, Parking, type Pause, type PauseSource } from "./parking.ts";
import type { Pool, Tenant } from "./pool.ts";
import { untilNext } from "./rhythm.ts";
import { clearAfter } from "./running.ts";
import { type Over, Serving } from "./serving.ts";
import type { Spare, Spares } from "./spares.ts";
import { noteOf } from "./tools.ts";

/** What a session is given: its siblings' services and the manager's ear. */
export interface Surroundings {
  ledger: Ledger;
  claude: Claude;
  gateway: Gateway;
  approvals: Approvals;
  budgets: Budgets;
  pool: Pool;
  spares: Spares;
  clock: Clock;
  log: Logger;
  tiers: Tiers;
  hostId: string;
  folders: Folders;
  limits: Bounds & { drainMs: number; stopMs: number };
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
  /** Whose session this is, until the launcher has it. */
  #spare: Spare | null = null;
  /** In ms of the monotonic clock; null while something is open. */
  #idleSince: number | null = null;
  readonly #launcher: Launcher;
  #running: Promise<void> | null = null;
  #draining = false;
  #thrownAway = false;
  /** Why a process is wanted even without a message. */
  #wake: "restart" | "replacement" | "wake" | null = null;
  readonly #parking: Parking;
  readonly #deaths: Deaths;
  readonly #conversation: Conversation;
  /** Resolves when the next process is ready, or the wish for one has come to nothing. */
  #started = Promise.withResolvers<void>();
  /** Of the next look at a burst that may be over. */
  #cancelLook: () => void = () => {};
  #isLooking = false;
  /** Of a session that waits without a process. */
  #wait: { place: string; since: number; told: boolean } | null = null;
  /** Acceptances under way that may come with a claim on the process. */
  #claims = 0;

  /** `crashes`: how often this session has been started anew without coming to rest. */
  constructor(chatId: string, around: Surroundings, crashes = 0) {
    this.chatId = chatId;
    this.#around = around;
    this.#log = around.log.child({ chatId });
    this.#deaths = new Deaths(around.clock, crashes, () => {
      this.#book.note({
        type: "notice",
        code: "quarantine_ended",
        text: "The next message starts a process again.",
      });
      this.#kick();
    });
    const { ledger, clock, hostId, hurry } = around;
    const onFailure = (error: unknown) => around.onCrash(this, error);
    this.#parking = new Parking(clock);
    this.#book = new Book({
      ...{ chatId, hostId, ledger, clock, log: this.#log, hurry, onFailure },
      newSessionId: (contact) => this.#spareFor(contact)?.sessionId ?? randomUUID(),
    });
    this.#conversation = new Conversation(this.#book, around.folders, this.#log);
    this.#holds = new Holds({
      onHeld: () => this.#launcher.callOff(),
      onReleased: () => this.#kick(),
    });
    this.#launcher = new Launcher({
      ...{ tenant: this, around, book: this.#book, conversation: this.#conversation, deaths: this.#deaths },
      plan: () => this.#plan(),
      serve: (launch) => this.#serve(launch),
      takeSpare: () => {
        const spare = this.#spare;
        this.#spare = null;
        return spare;
      },
      onFailed: (error) => this.#startFailed(error),
      onNothingToResume: () => {
        this.#wake = null;
      },
      onGivenBack: (entries) => this.#stopLate(entries),
    });
  }

  // What others see

  get state(): ChatState {
    if (this.#serving !== null) return this.#serving.state;
    if (this.#deaths.quarantine !== null) return "quarantined";
    if (this.#parking.pause !== null) return "parked";
    return this.#launcher.isUnderWay ? "starting" : "dormant";
  }

  /** Why nothing is done, and until when at the latest, in ms since the Unix epoch; null: nothing keeps it. */
  get held(): { until: number; reason: string } | null {
    const { state } = this;
    if (state !== "quarantined" && state !== "parked") return null;
    const { quarantine } = this.#deaths;
    if (quarantine !== null) return { until: quarantine.until, reason: quarantineText(quarantine.reason) };
    const { pause } = this.#parking;
    return pause && { until: pause.until, reason: pause.message };
  }

  get process(): { pid: number; generation: number; since: number } | null {
    return this.#serving;
  }

  get idleSince(): number | null {
    return this.#claims > 0 || this.#holds.held || this.state !== "idle" ? null : this.#idleSince;
  }

  /** Whether it has a process, or is among those that wait for one: what comes for it makes no line longer. */
  get hasPlace(): boolean {
    return (
      this.#isServed || this.#entries.length > 0 || this.#launcher.isUnderWay || this.#parking.pause !== null
    );
  }

  /** Whether messages of it wait for a process, and for nothing else before that. */
  get awaitsProcess(): boolean {
    return !this.#isServed && this.#entries.length > 0 && this.#parking.pause === null;
  }

  /** Its process is about to go: its memory is none that others have to make room for. */
  get isLeaving(): boolean {
    const { pool, limits: ours } = this.#around;
    return this.#serving?.state === "closing" || (pool.bytesOf(this) ?? 0) > ours.processBytesMax;
  }

  get #isServed(): boolean {
    return this.#serving !== null && this.#serving.state !== "closing";
  }

  /** Of an idle process, for the pool; null when there is none. */
  get untilNext(): number | null {
    const { page } = this.#book;
    const { idleSince } = this;
    if (idleSince === null || page === null) return null;
    const { clock } = this.#around;
    return untilNext(page.times, clock.now(), clock.monotonic() - idleSince);
  }

  /** What an open message waits for; null when the session does not have it. */
  waitingOf(messageId: string): Waiting | null {
    const has = this.#entries.some(({ message }) => message.id === messageId);
    return has ? this.#waitingOf(messageId) : null;
  }

  /** What each of its open messages waits for. */
  get waits(): WaitingFor[] {
    return this.#entries.map(({ message }) => this.#waitingOf(message.id).for);
  }

  #waitingOf(messageId: string): Waiting {
    if (this.#serving !== null)
      return { ...this.#serving.waiting, ...this.#planFor(messageId, this.#serving) };
    const { pause } = this.#parking;
    if (pause !== null)
      return {
        for: pause.kind === "budget" ? "budget" : "limit",
        until: new Date(pause.until).toISOString(),
      };
    const position = this.#around.pool.position(this);
    return position === null ? { for: "start" } : { for: "slot", position };
  }

  // Messages

  /** Takes over what an earlier daemon (or a crashed session) left open. */
  adopt(open: ReadonlyArray<{ message: Message; tries: readonly Try[] }>): void {
    const now = this.#around.clock.monotonic();
    for (const { message, tries } of open) this.#entries.push(leftEntry(message, tries, now));
    for (const entry of this.#entries.filter(isCommand)) this.#obey(entry);
    this.#kick();
  }

  /**
   * The right to charge a message's first try together with its acceptance, when it could be handed over at once.
   * Each claim is followed by `unclaim`, after `deliver` if the message was accepted.
   */
  claim({ sender, channel, route, contact, command, attachments = [] }: ClaimInput): Claim | null {
    const serving = this.#serving;
    if (serving === null || this.#isHeld(serving) || !serving.takesMessages || this.#conversation.tainted)
      return null;
    // Somebody waits for a slot: what comes now may have to let them go first.
    if (this.#around.pool.isContended) return null;
    const { lease, contact: known } = this.#book.known;
    // A changed contact may need another policy, and is a fact to be told.
    if (!changesNothing(contact, known)) return null;
    // What it has attached has to be fetched first.
    if (command !== null || attachments.length > 0) return null;
    const mode = known.queueMode ?? serving.policy.queueMode;
    const fits = this.#policyOf(sender) === serving.policy;
    if (!couldJoin(this.#entries, { mode, fits, channel, route })) return null;
    this.#claims += 1;
    return { epoch: lease.epoch, generation: serving.generation };
  }

  unclaim(): void {
    this.#claims -= 1;
    this.#around.pool.makeRoom();
  }

  /** An accepted message. `claim`: under which its first try has been charged with the acceptance. */
  deliver(message: Message, claim: Claim | null): void {
    const entry = acceptedEntry(message, claim, this.#around.clock.monotonic());
    this.#entries.push(entry);
    this.#book.noteTime(message.acceptedAt);
    if (claim !== null && this.#serving?.generation !== claim.generation) this.#takeBack(entry);
    if (isCommand(entry)) this.#obey(entry);
    else if (this.#deaths.quarantine !== null) this.#refuseQuarantined(this.#deaths.quarantine.reason);
    else if (claim === null) this.#interruptFor(entry);
    if (this.#parking.pause !== null) this.#tellPause(this.#parking.pause);
    this.#kick();
  }

  /** Changes hold from the next message on. */
  contactChanged(contact: Contact): void {
    if (this.#book.page !== null) this.#book.page.contact = contact;
  }

  /** A process that another one would now be started for ends with its turn. */
  tiersChanged(): void {
    const serving = this.#serving;
    if (serving === null || serving.state === "closing" || serving.isRetiring) return;
    if (this.#around.tiers.isCurrent(serving.policy)) this.#pump();
    else serving.retire(`tier ${serving.policy.tier} has changed`);
  }

  // Actions

  /** Ends everything that is open now; goes past the queue and past other actions. */
  stop(): Promise<Stopped[]> {
    const targets = this.#orders;
    return this.#stop(targets, (stopped) => this.#tellStopped(targets, stopped));
  }

  /** Whoever writes by a channel sees replies alone, and did not stop it themselves. */
  #tellStopped(targets: readonly Entry[], stopped: readonly Stopped[]): void {
    const ids = new Set(stopped.map(({ id }) => id));
    const notices = stoppedNotices(targets.map(({ message }) => message).filter(({ id }) => ids.has(id)));
    if (notices.length > 0) this.#book.later((ledger, lease) => ledger.notify(lease, notices));
  }

  /** What is open but commands: those end when they are carried out. */
  get #orders(): Entry[] {
    return this.#entries.filter((entry) => !isCommand(entry));
  }

  /** `conclude` is called before anything else may begin. */
  #stop(targets: readonly Entry[], conclude?: (stopped: Stopped[]) => void): Promise<Stopped[]> {
    for (const entry of targets) entry.stopRequested = true;
    // Those with a write under way are ended when it is done, those in hand by the interrupt.
    this.#endStopped(targets.filter(({ phase }) => phase === "queued" || phase === "charged"));
    return this.#holds.hold(async () => {
      await this.#interruptUntil(Promise.all(targets.map(({ end }) => end.promise)));
      await this.#book.settled();
      const ends = await Promise.all(
        targets.map(async ({ message, end }) => ({ id: message.id, ...(await end.promise) })),
      );
      const stopped = ends.flatMap(({ id, status, ran }) => (status === "stopped" ? [{ id, ran }] : []));
      conclude?.(stopped);
      return stopped;
    });
  }

  /** Closes the process when its turn has ended, or after the drain limit. Null: there was none. */
  close(reason: EndReason): Promise<{ requeued: string[] } | null> {
    return this.#holds.exclusive(() => this.#closeWhenFree(reason));
  }

  /** A new process on the same session. */
  restart(reason: EndReason): Promise<{ requeued: string[] }> {
    return this.#holds.exclusive(async () => {
      const closed = await this.#closeWhenFree(reason);
      this.#deaths.leave();
      this.#wake = "restart";
      return { requeued: closed?.requeued ?? [] };
    });
  }

  /** Stop, and a new session. */
  reset(): Promise<{ stopped: Stopped[]; record: SessionRecord }> {
    return this.#holds.exclusive(async () => {
      const stopped = await this.stop();
      await this.#closeWhenFree("reset");
      this.#deaths.leave();
      return { stopped, record: await this.#conversation.reset() };
    });
  }

  /**
   * Starts a process ahead of a message that is likely to come, in room that nobody needs; `started` resolves when it is
   * ready, or nothing came of it. Null when there is one, or none may be started now.
   */
  wake(): { started: Promise<void> } | null {
    const { pool } = this.#around;
    const isFree = this.state === "dormant" && !this.#draining && pool.hasRoomToSpare && this.#pause === null;
    if (isFree) this.#wake = "wake";
    // One that was only made to be asked comes to rest again.
    this.#kick();
    return isFree ? { started: this.#started.promise } : null;
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

  /** They are kept no longer. False when the chat is in use, or has been since then. */
  removeConversations(restingSince: number): Promise<boolean> {
    return this.#holds.exclusive(async () => {
      if (this.#entries.length > 0 || this.#serving !== null || this.#launcher.isUnderWay) return false;
      return await this.#conversation.remove(restingSince);
    });
  }

  /** Stops everything, and has all of it forgotten but what is on disk. Nothing can be done with this object afterwards. */
  forget(): Promise<void> {
    return this.#holds.exclusive(async () => {
      await this.stop();
      await this.#closeWhenFree("forgotten");
      await this.#dropSpare();
      this.#draining = true;
      this.#parking.lookAgain();
      await this.#conversation.copied;
      await this.#book.write((ledger, lease) => ledger.forget(lease));
      this.#thrownAway = true;
      this.#around.pool.release(this);
    });
  }

  /** For shutdown: nothing is handed over any more; the turn may end, the process is closed, the queue stays. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#parking.lookAgain();
    this.#deaths.forget();
    await this.close("shutdown");
    await this.#running;
    await this.#book.settled();
    await this.#conversation.copied;
  }

  /** Looks whether the process is well and still needed, and acts on it. */
  async check(): Promise<void> {
    const serving = this.#serving;
    if (serving === null) {
      this.#judgeWait();
      return;
    }
    if (serving.state === "closing" || this.#isLooking) return;
    this.#isLooking = true;
    const over = new AbortController();
    await serving.look(sleep(this.#around.clock, limits.ping, over.signal));
    over.abort();
    this.#isLooking = false;
    this.#judge(serving);
  }

  /** The pool needs the slot of the idle process. */
  yieldSlot(): void {
    this.#serving?.close("its slot is needed");
  }

  #noteStarted(): void {
    this.#started.resolve();
    this.#started = Promise.withResolvers();
  }

  /** Gives everything up, for a session that is thrown away. Resolves when nothing of its process's tree is left. */
  async abandon(): Promise<void> {
    this.#thrownAway = true;
    this.#draining = true;
    this.#holds.abandon(crashed());
    this.#parking.lookAgain();
    this.#cancelLook();
    this.#noteStarted();
    await this.#launcher.callOff();
    await this.#spare?.close();
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
    // What is yet to be written belongs to this object: another one would begin without it.
    const rested = this.#run().then(() => this.#book.settled());
    this.#running = rested.then(
      () => {
        this.#running = null;
        this.#noteStarted();
        if (this.#wanted()) this.#kick();
        else if (!this.#holds.held && this.#deaths.quarantine === null) this.#goDormant();
      },
      (error) => this.#around.onCrash(this, error),
    );
  }

  async #run(): Promise<void> {
    await this.#book.open();
    await this.#around.budgets.know(this.chatId);
    await this.#recover(null);
    await this.#serveAll();
    await this.#dropSpare();
  }

  async #serveAll(): Promise<void> {
    while (this.#wanted()) {
      if (this.#holds.held) {
        await this.#holds.released;
        continue;
      }
      if (await this.#waitsForLeave()) continue;
      if (this.#isEarly && !this.#around.pool.hasRoomToSpare) {
        this.#wake = null;
        continue;
      }
      const serving = await this.#launcher.launch();
      if (serving === null) continue;
      this.#pump();
      const over = await serving.over;
      this.#noteDeath(over);
      await this.#clearAfter(serving);
      // Another object has begun anew from the ledger: what is left is its to recover.
      if (this.#thrownAway) return;
      this.#serving = null;
      this.#around.pool.release(this);
      serving.requeued.resolve(await this.#recover(over));
    }
  }

  /** While nothing may be asked of the model no process is started, and the senders know until when. */
  async #waitsForLeave(): Promise<boolean> {
    const paused = this.#draining ? null : this.#pause;
    if (paused === null) return false;
    if (this.#isEarly) {
      this.#wake = null;
      return true;
    }
    this.#tellPause(paused.pause);
    await this.#dropSpare();
    await this.#parking.until(paused.pause, paused.source);
    return true;
  }

  /** Null: the model may be asked. */
  get #pause(): { pause: Pause; source: PauseSource } | null {
    const { gateway, budgets, clock } = this.#around;
    const { trouble } = gateway;
    if (isHold(trouble) && gateway.holdMs > 0) {
      const source = {
        remainingMs: () => gateway.holdMs,
        onChange: (listener: () => void) => gateway.onTrouble(listener),
      };
      return { pause: trouble, source };
    }
    // Of a chat that nobody has looked up yet nothing is known.
    const known = this.#book.page !== null;
    const policy = known ? this.#policyOf(this.#entries[0]?.message.sender ?? null) : undefined;
    const hold = policy === undefined ? null : budgets.hold(this.chatId, policy);
    if (policy === undefined || hold === null) return null;
    const source = {
      remainingMs: () => Math.max(0, (budgets.hold(this.chatId, policy)?.until ?? 0) - clock.now()),
      onChange: (listener: () => void) => budgets.onMore(listener),
    };
    return { pause: hold, source };
  }

  /** For a chat that has no session yet, and a message. */
  #spareFor({ tier }: Contact): Spare | null {
    const [first] = this.#entries;
    const policy = this.#around.tiers.for(tier, first?.message.sender?.tier);
    if (first !== undefined && policy !== undefined) this.#spare ??= this.#around.spares.take(policy);
    return this.#spare;
  }

  /** It was not needed after all; another process may start only when it is gone. */
  async #dropSpare(): Promise<void> {
    await this.#spare?.close();
    this.#spare = null;
  }

  #tellPause(pause: Pause): void {
    if (this.#entries.length === 0) return;
    const notices = pauseNotices(
      this.chatId,
      pause,
      this.#entries.map(({ message }) => message),
    );
    this.#book.later((ledger, lease) => ledger.notify(lease, notices));
  }

  async #clearAfter({ sessionId }: Serving): Promise<void> {
    try {
      await clearAfter(this.#around.folders, sessionId);
    } catch (error) {
      this.#log.warn({ error: String(error) }, "what a process left could not be removed");
    }
  }

  #wanted(): boolean {
    if (this.#draining || this.#deaths.quarantine !== null) return false;
    return this.#wake !== null || this.#entries.length > 0;
  }

  /** A process is wanted before there is anything to do for it. */
  get #isEarly(): boolean {
    return this.#entries.length === 0 && (this.#wake === "wake" || this.#wake === "replacement");
  }

  #goDormant(): void {
    this.#book.later((ledger, lease) => ledger.release(lease));
    this.#around.onDormant(this);
  }

  /** What the next process is wanted for; null: for nothing. */
  #plan(): Plan | null {
    this.#refuseUnwelcome();
    const continuation = this.#conversation.stillWanted(this.#entries);
    const first = continuation?.entries[0] ?? this.#entries[0];
    const policy = this.#policyOf(first?.message.sender ?? null);
    if (policy === undefined) this.#wake = null;
    if (policy === undefined || !this.#wanted()) return null;
    return {
      policy,
      continuation,
      first,
      reason: first === undefined ? (this.#wake ?? "restart") : "message",
    };
  }

  #serve({ generation, policy, ground, spare, continuation, startDone }: Launch): Serving {
    const { claude, gateway, approvals, budgets, clock, folders, onText } = this.#around;
    const serving: Serving = new Serving({
      ...{
        generation,
        policy,
        ground,
        spare,
        continuation,
        book: this.#book,
        claude,
        gateway,
        approvals,
        clock,
      },
      tenant: this,
      home: folders.home,
      compact: this.#conversation.tooLong && ground.transcript !== null,
      onReady: () => {
        startDone();
        this.#noteStarted();
        this.#pump();
      },
      onText: (piece) => onText({ chatId: this.chatId, ...piece }),
      onEnd: (ends) => this.#leave(ends),
      onDropped: (entry) => this.#dropped(entry),
      onTooLong: (members) => this.#shorten(serving, members),
      onPoisoned: (members) => this.#cleanse(serving, members),
      onTurnEnded: (failed) => {
        this.#conversation.copy();
        if (failed) this.#conversation.taint();
        this.#judge(serving);
        this.#pump();
      },
      onHeld: (hold) => this.#park(serving, hold),
      mayAsk: () => this.#mayAsk(serving),
      onUsage: (usage) => budgets.spend(this.chatId, policy, usage),
      onCompacted: (outcome) => this.#compacted(serving, outcome),
    });
    this.#serving = serving;
    this.#wake = null;
    this.#conversation.taken(ground);
    return serving;
  }

  /** After so many times in a row the messages fail instead of waiting for ever. */
  #startFailed(error: unknown): void {
    const message = messageOf(error);
    this.#log.error({ error: message }, "a process could not be started");
    // As a write of the ledger is: whoever waits for room loses nothing.
    if (!this.#deaths.noteFailedStart(isDiskFull(error))) return;
    this.#wake = null;
    this.#endMessages(this.#orders, {
      status: "failed",
      ran: null,
      error: { code: "start_failed", message },
    });
  }

  #noteDeath({ unexpected, lived, worked, reason, stderr }: Over): void {
    if (!unexpected) return;
    this.#log.warn({ reason, stderr }, "the process ended unexpectedly");
    if (this.#deaths.note({ lived, worked, reason })) {
      const text = quarantineText(reason);
      this.#log.error({ reason }, "quarantined");
      this.#book.note({ type: "notice", code: "quarantined", text });
      this.#wake = null;
    }
    // Started anew before it is asked for, but not at somebody else's cost and not for ever.
    else if (this.#deaths.replaceable && !this.#around.pool.isContended) this.#wake = "replacement";
  }

  /**
   * Decides about every message that was charged under a process that is gone, `over`, or under an earlier daemon's.
   * Returns those that are queued again.
   */
  async #recover(over: Over | null): Promise<string[]> {
    await this.#book.settled();
    const charged = this.#entries.filter(({ phase, tries }) => phase !== "queued" || tries.length > 0);
    const { ends, requeued } = await this.#conversation.recover(charged, over);
    this.#leave(ends);
    this.#stopLate(requeued);
    if (this.#deaths.quarantine !== null) this.#refuseQuarantined(this.#deaths.quarantine.reason);
    return requeued.map(({ message }) => message.id);
  }

  #refuseQuarantined(reason: string): void {
    this.#conversation.forgetContinuation();
    const message = `The chat's process died again and again: ${reason}`;
    this.#endMessages(
      this.#orders.filter(({ phase }) => phase === "queued"),
      { status: "failed", ran: null, error: { code: "quarantined", message } },
    );
  }

  // Parking: nothing may be asked of the model until a known time

  #park(serving: Serving, pause: Pause): void {
    if (serving.state === "closing") return;
    // When its time is over somebody has to try, and it waits for that one, or is that one.
    if (pause.kind !== "budget" && this.#around.gateway.holdMs === 0) return;
    this.#tellPause(pause);
    const until = new Date(pause.until).toISOString();
    serving.close(`parked until ${until}: ${pause.message}`, serving.hasHands ? "terminate" : "order");
  }

  /** A spent budget parks the chat before anything leaves. */
  #mayAsk(serving: Serving): boolean {
    const hold = this.#around.budgets.hold(this.chatId, serving.policy);
    if (hold !== null) this.#park(serving, hold);
    return hold === null;
  }

  /** The conversation is longer than the model reads: it is made shorter, then its members are sent again. */
  #shorten(serving: Serving, members: readonly Entry[]): void {
    for (const entry of members) entry.again = true;
    this.#conversation.shorten();
    serving.close("the conversation is too long for the model", "terminate");
  }

  /** A file in the conversation is refused: without any of them its members are sent again. */
  #cleanse(serving: Serving, members: readonly Entry[]): void {
    for (const entry of members) entry.again = true;
    this.#conversation.poison();
    serving.close("the conversation holds a file that the model's API refuses", "terminate");
  }

  #compacted(serving: Serving, outcome: CompactionOutcome): void {
    switch (outcome) {
      case "done":
        this.#conversation.shortened();
        this.#pump();
        return;
      case "impossible":
        this.#conversation.giveUp();
        serving.close("the conversation could not be made shorter", "terminate");
        return;
      case "failed":
        // The next process tries it again, as late and as often as after any other death.
        serving.fail("the conversation could not be made shorter this time", "terminate");
    }
  }

  // Handing over

  #pump(): void {
    const serving = this.#serving;
    this.#cancelLook();
    if (serving === null || this.#isHeld(serving) || !serving.takesMessages) return;
    this.#refuseUnwelcome();
    if (this.#conversation.tainted) {
      if (!serving.hasHands) serving.close("what only failed is left out of the conversation");
      return;
    }
    if (this.#givesWay(serving)) return;
    const { clock } = this.#around;
    const now = clock.monotonic();
    const fits = (sender: Sender | null) => this.#policyOf(sender) === serving.policy;
    const next = handover(this.#entries, { mode: this.#modeOf(serving), now, fits });
    for (const parcel of next.handOver) this.#handOver(serving, parcel);
    for (const parcel of next.charge) this.#charge(serving, parcel);
    if (next.otherPolicy) serving.close("the next message needs another policy");
    if (next.lookAgainAt !== null) this.#cancelLook = clock.after(next.lookAgainAt - now, () => this.#pump());
    this.#noteIdle(serving);
  }

  #modeOf(serving: Serving): QueueMode {
    return this.#book.known.contact.queueMode ?? serving.policy.queueMode;
  }

  /** What will happen with a message that waits behind a running turn. */
  #planFor(messageId: string, serving: Serving): Pick<Waiting, "plan"> {
    const entry = this.#entries.find(({ message }) => message.id === messageId);
    if (entry === undefined || inHand(entry) || !serving.hasHands) return {};
    const mode = this.#modeOf(serving);
    const fits = this.#policyOf(entry.message.sender) === serving.policy;
    const joins = mode === "steer" && !serving.isRetiring && couldShare(this.#entries, entry, fits);
    return { plan: plans[mode === "steer" && !joins ? "queue" : mode] };
  }

  /** In this mode a message stops the turn that runs, and is the next one. */
  #interruptFor(entry: Entry): void {
    const serving = this.#serving;
    if (serving === null || this.#book.page === null || this.#modeOf(serving) !== "interrupt") return;
    const running = this.#entries.filter((each) => each !== entry && inHand(each) && !each.stopRequested);
    if (running.length > 0) this.#stop(running).catch((error) => this.#around.onCrash(this, error));
  }

  #obey(entry: Entry): void {
    if (entry.message.command === "stop") this.#stopOnWord(entry);
    else
      this.#passOn(entry).catch((error) =>
        this.#log.error({ error: String(error) }, "an answer came to nothing"),
      );
  }

  /** An operator's answer to a question. As long as it is open, the next daemon passes it on. */
  async #passOn(word: Entry): Promise<void> {
    await this.#holds.hold(async () => {
      const { contact } = await this.#book.open();
      const { id, text } = word.message;
      const told = await this.#around.approvals.answer(text, { contact, chatId: this.chatId });
      if (this.#entries.includes(word)) this.#endMessages([word], stoppedBefore, [noticeOf(told, id)]);
    });
  }

  /**
   * A stop word stops everything before it. It ends after that, together with the notice of what it did: as long as it
   * is open, the next daemon obeys it.
   */
  #stopOnWord(word: Entry): void {
    const before = this.#entries.slice(0, this.#entries.indexOf(word)).filter((entry) => !isCommand(entry));
    const done = this.#stop(before, (stopped) => {
      const notices = [stopNotice(stopped, word.message.id)];
      if (this.#entries.includes(word)) this.#endMessages([word], stoppedBefore, notices);
    });
    done.catch((error) => this.#log.error({ error: String(error) }, "a stop word came to nothing"));
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

  /** A try for each of the parcel, under one uuid: it is handed over as one. */
  #charge(serving: Serving, parcel: readonly Entry[]): void {
    const [first] = parcel;
    if (first === undefined) return;
    const { generation } = serving;
    const sdkUuid = nextUuid(first);
    const tries = parcel.map((entry) => ({ messageId: entry.message.id, ...sendOf(sdkUuid, generation) }));
    const again = parcel.filter(({ tries }) => tries.length > 0);
    for (const entry of parcel) {
      entry.phase = "pending";
      entry.tries.push(sendOf(sdkUuid, generation));
    }
    this.#book.later(async (ledger, lease) => {
      for (const entry of again) {
        entry.note = noteOf(await ledger.toolCalls(lease.chatId, [entry.message.id]));
      }
      for (const entry of parcel) {
        if (entry.message.attachments.length > 0) entry.files = await ledger.attachmentData(entry.message.id);
      }
      await ledger.charge(lease, generation, tries);
      for (const entry of parcel) entry.phase = "charged";
      this.#stopLate(parcel);
      this.#pump();
    });
  }

  #handOver(serving: Serving, parcel: readonly Entry[]): void {
    const { contact } = this.#book.known;
    serving.handOver(parcel, factsOf(contact), ({ message, note, files }, news) =>
      contentOf(message, contact.group, { facts: news, note, files }),
    );
  }

  /** Charged under a process that was gone before it could be handed over: the try is lost. */
  #takeBack(entry: Entry): void {
    entry.phase = "pending";
    this.#book.later(async (ledger, lease) => {
      await ledger.requeue(lease, [entry.message.id], "excused");
      putBack(entry, "excused");
      this.#stopLate([entry]);
      this.#kick();
    });
  }

  /** A stop came while a write about their tries was under way. */
  #stopLate(entries: readonly Entry[]): void {
    this.#endStopped(entries.filter(({ stopRequested }) => stopRequested));
  }

  /** Those of a cut turn that waits to be taken up have run. */
  #endStopped(entries: readonly Entry[]): void {
    const begun = this.#conversation.continuation?.entries ?? [];
    const [ran, not] = [
      entries.filter((each) => begun.includes(each)),
      entries.filter((each) => !begun.includes(each)),
    ];
    this.#endMessages(ran, { ...stoppedBefore, ran: true });
    this.#endMessages(not, stoppedBefore);
  }

  #isHeld(serving: Serving): boolean {
    return this.#holds.held || this.#draining || serving.state === "closing";
  }

  /** Undefined: refused. */
  #policyOf(sender: Sender | null): Policy | undefined {
    return this.#around.tiers.for(this.#book.known.contact.tier, sender?.tier);
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

  /** Ends messages outside of a turn. `told`: to the senders, besides why they failed. */
  #endMessages(
    entries: readonly Entry[],
    how: Omit<Ending, "messageId">,
    told: readonly Notice[] = [],
  ): void {
    if (entries.length === 0) return;
    const endings = entries.map(({ message }) => ({ messageId: message.id, ...how }));
    const notices = [...failureNotices(endings), ...told];
    this.#book.later((ledger, lease) => ledger.endMessages(lease, endings, notices));
    this.#leave(entries.map((entry) => ({ entry, end: { status: how.status, ran: how.ran ?? false } })));
  }

  /** These have their end, and the write that says so is under way. */
  #leave(ends: ReadonlyArray<{ entry: Entry; end: End }>): void {
    const left = new Set(ends.map(({ entry }) => entry));
    this.#entries = this.#entries.filter((entry) => !left.has(entry));
    for (const { entry, end } of ends) {
      if (end.status === "answered") this.#deaths.noteSuccess();
      entry.end.resolve(end);
    }
    if (this.#entries.length === 0) this.#parking.lookAgain();
  }

  // Closing

  #judge(serving: Serving): void {
    if (serving.state === "closing") return;
    const { clock, pool, limits: ours } = this.#around;
    const snapshot = serving.snapshot(this.idleSince, pool.bytesOf(this));
    const idleMs = serving.policy.idleMs ?? ours.idleMs;
    const diagnosis = diagnose(snapshot, clock.monotonic(), { ...ours, idleMs });
    switch (diagnosis.verdict) {
      case "healthy":
      case "waiting":
      case "overdue":
        return;
      case "unused":
        serving.close(diagnosis.reason);
        return;
      case "heavy":
        if (serving.isRetiring) return;
        this.#book.note({
          type: "notice",
          code: "memory_high",
          text: `The process takes on nothing more and is closed when its turn has ended: ${diagnosis.reason}.`,
        });
        serving.retire(diagnosis.reason);
        return;
      case "bloated":
        this.#log.warn({ generation: serving.generation, ...diagnosis }, "killing the process");
        this.#book.note({
          type: "notice",
          code: "memory_exceeded",
          text: `The process was killed: ${diagnosis.reason}.`,
        });
        serving.fail(diagnosis.reason, "kill");
        return;
      case "sick":
        this.#log.warn({ generation: serving.generation, ...diagnosis }, "replacing the process");
        serving.fail(diagnosis.reason, diagnosis.remedy);
    }
  }

  /** Without a process nothing is to be remedied here; the operator is told once when it takes too long. */
  #judgeWait(): void {
    const { clock, pool, limits: ours } = this.#around;
    const { pause: hold } = this.#parking;
    const position = pool.position(this);
    if (this.#entries.length === 0 || (hold === null && position === null)) {
      this.#wait = null;
      return;
    }
    const now = clock.monotonic();
    const place = hold === null ? `slot ${position}` : `limit ${hold.until}`;
    if (this.#wait?.place !== place) this.#wait = { place, since: now, told: false };
    const diagnosis = diagnose(
      {
        state: "none",
        waiting: hold === null ? "slot" : "limit",
        progressAt: this.#wait.since,
        until: hold === null ? null : now + hold.until - clock.now(),
      },
      now,
      ours,
    );
    if (diagnosis.verdict !== "overdue" || this.#wait.told) return;
    this.#wait.told = true;
    this.#log.warn({ ...diagnosis }, "a chat waits for long");
    this.#book.note({
      type: "notice",
      code: "waits_long",
      text: `Waits for ${diagnosis.for}: ${diagnosis.reason}.`,
    });
  }

  /** Lets what is in the process's hands end, then closes it; after the drain limit, or in a hurry, it is ended as it is. */
  async #closeWhenFree(reason: EndReason): Promise<{ requeued: string[] } | null> {
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
function changesNothing({ name, tier, group, queueMode }: ContactPatch, contact: Contact): boolean {
  return (
    (name === undefined || name === contact.name) &&
    (tier === undefined || tier === contact.tier) &&
    (group === undefined || group === contact.group) &&
    (queueMode === undefined || queueMode === contact.queueMode)
  );
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function quarantineText(reason: string): string {
  const { deaths, windowMs, restMs } = quarantine;
  return `The process has died ${deaths} times within ${windowMs / 60_000} minutes, now because: ${reason}. It is left alone for ${restMs / 60_000} minutes, or until it is restarted or reset.`;
}

function crashed(): SwitchboardError {
  return new SwitchboardError("busy", "the session crashed and is being started anew", {
    hint: "Try again.",
  });
}

function isCommand({ message }: Entry): boolean {
  return message.command !== null;
}

const plans: Record<QueueMode, NonNullable<Waiting["plan"]>> = {
  steer: "join",
  queue: "next",
  collect: "collect",
  interrupt: "interrupt",
};

/** A message that a stop has ended, and whether Claude had begun with it. */
export interface Stopped {
  id: string;
  ran: boolean;
}

type ClaimInput = Pick<Inbound, "sender" | "channel" | "route" | "contact" | "command" | "attachments">;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
