/**
 * One chat's session: owns its process and everything that is open in it, and speaks with nobody else's.
 *
 * The run loop serves one process after the other: launch it, hand over what comes, recover what its end left open.
 * In between, everything is driven by what happens (a message, an event of the process, an action), and each of
 * these ends in `#pump`, which hands over whatever may be handed over now. So nothing is forgotten by a missed turn.
 *
 * - A message is charged in the ledger before it is handed over, and handed over in the order of acceptance.
 * - A message joins what is in the process's hands only if the same policy holds for it and its reply goes the
 *   same way; else it waits for the end of the turn (and for a process with its policy).
 * - While somebody holds the session (a stop, a close, a reset), nothing is handed over and nothing is launched.
 * - An event of a process that is not the current one touches nothing.
 * - What crashes here is not patched up: the manager throws this object away and starts anew from the ledger.
 */

import { randomUUID } from "node:crypto";
import { type Claude, type ClaudeEvent, findTranscript, spaceOf, takenUuids } from "../claude/index.ts";
import { type Clock, sleep } from "../clock.ts";
import { effectiveTier, type Policy, type Tiers } from "../contacts/tiers.ts";
import type { Gateway } from "../gateway/index.ts";
import type {
  Change,
  Claim,
  Contact,
  ContactPatch,
  Ending,
  Inbound,
  Json,
  Lease,
  Ledger,
  Message,
  Sender,
  Session as SessionRecord,
  Try,
} from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import type { ChatState, Waiting } from "../views.ts";
import { contentOf, factsOf } from "./content.ts";
import { currentUuid, type End, type Entry, inHand, newEntry, nextUuid, unfinished } from "./entry.ts";
import { judge, livedLongMs, pingLimitMs, restartDelayMs } from "./health.ts";
import { type Live, prepareGround, spawnLive } from "./live.ts";
import { cutTurn, endingsAfter, endingsOf, outcomeOf, stoppedBefore } from "./outcome.ts";
import type { Pool, Tenant } from "./pool.ts";
import { decide, maxTries } from "./recovery.ts";
import { OpenTurn } from "./turn.ts";
import { Writes } from "./writes.ts";

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
  folders: { spaces: string; links: string };
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

/** What the session knows of itself from the ledger. */
interface Opened {
  readonly lease: Lease;
  /** The name of its link for people. */
  readonly name: string;
  contact: Contact;
  record: SessionRecord;
}

/** ms between one interrupt and the next while a stop waits for its effect. */
const interruptEveryMs = 1000;

export class Session implements Tenant {
  readonly chatId: string;
  readonly #around: Surroundings;
  readonly #log: Logger;
  readonly #writes: Writes;
  /** Everything open, in the order of acceptance. */
  #entries: Entry[] = [];
  #live: Live | null = null;
  #turn: OpenTurn | null = null;
  #opened: Opened | null = null;
  #launching: { abort: AbortController; settled: Promise<unknown> } | null = null;
  #running = false;
  #draining = false;
  /** A process is wanted even without a message. */
  #wake = false;
  #holds = 0;
  #unheld = Promise.withResolvers<void>();
  /** Acceptances under way that may come with a claim on the process. */
  #claims = 0;
  /** Processes in a row that came to nothing. */
  #deaths = 0;
  #actions: Promise<unknown> = Promise.resolve();

  constructor(chatId: string, around: Surroundings) {
    this.chatId = chatId;
    this.#around = around;
    this.#log = around.log.child({ chatId });
    this.#writes = new Writes({ clock: around.clock, log: this.#log, giveUp: around.hurry });
  }

  // What others see

  get state(): ChatState {
    const live = this.#live;
    if (live === null) return this.#launching === null ? "dormant" : "starting";
    if (live.closing !== null) return "closing";
    if (!live.ready) return "starting";
    return live.idleSince === null ? "busy" : "idle";
  }

  get process(): { pid: number; generation: number; since: number } | null {
    const live = this.#live;
    return live === null ? null : { pid: live.process.pid, generation: live.generation, since: live.since };
  }

  get idleSince(): number | null {
    const live = this.#live;
    return live === null || live.closing !== null || this.#claims + this.#holds > 0 ? null : live.idleSince;
  }

  /** What an open message waits for; null when the session does not have it. */
  waitingOf(messageId: string): Waiting | null {
    if (!this.#entries.some(({ message }) => message.id === messageId)) return null;
    if (this.#live?.ready === true) return this.#turn?.waiting ?? { for: "model" };
    const position = this.#around.pool.position(this);
    return position === null ? { for: "start" } : { for: "slot", position };
  }

  // Messages

  /** Takes over what an earlier daemon (or a crashed session) left open. */
  adopt(open: ReadonlyArray<{ message: Message; tries: readonly Try[] }>): void {
    for (const { message, tries } of open) this.#entries.push(newEntry(message, tries));
    this.#kick();
  }

  /**
   * The right to charge a message's first try together with its acceptance, when it could be handed over at once.
   * Each claim is followed by `unclaim`, after `deliver` if the message was accepted.
   */
  claim({ sender, route, contact }: Pick<Inbound, "sender" | "route" | "contact">): Claim | null {
    const live = this.#live;
    if (live === null || this.#opened === null || this.#isHeld(live)) return null;
    // A changed contact may need another policy, and is a fact to be told.
    if (!isKnown(contact, this.#opened.contact)) return null;
    if (!this.#entries.every(inHand) || !this.#mayJoin(live, sender, route)) return null;
    this.#claims += 1;
    return { epoch: this.#opened.lease.epoch, generation: live.generation };
  }

  unclaim(): void {
    this.#claims -= 1;
  }

  /** An accepted message. `claim`: under which its first try has been charged with the acceptance. */
  deliver(message: Message, claim: Claim | null): void {
    const entry = newEntry(message);
    this.#entries.push(entry);
    if (claim !== null) {
      entry.sdkUuids.push(message.id);
      if (this.#live?.generation !== claim.generation) this.#background(this.#requeue(entry));
    }
    this.#kick();
  }

  /** Changes hold from the next message on. */
  contactChanged(contact: Contact): void {
    if (this.#opened !== null) this.#opened.contact = contact;
  }

  // Actions

  /** Ends everything that is open now; goes past the queue and past other actions. */
  stop(): Promise<Array<{ id: string; ran: boolean }>> {
    const targets = [...this.#entries];
    for (const entry of targets) entry.stopRequested = true;
    return this.#hold(async () => {
      const waiting = targets.filter(({ phase }) => phase === "queued");
      this.#end(waiting, stoppedBefore);
      await this.#interruptUntil(Promise.all(targets.map(({ end }) => end.promise)));
      const ends = await Promise.all(
        targets.map(async ({ message, end }) => ({ id: message.id, ...(await end.promise) })),
      );
      await this.#writes.settled();
      return ends.flatMap(({ id, status, ran }) => (status === "stopped" ? [{ id, ran }] : []));
    });
  }

  /** Closes the process when its turn has ended, or after the drain limit. Null: there was none. */
  close(reason: string): Promise<{ requeued: string[] } | null> {
    return this.#exclusive(() => this.#closeWhenIdle(reason));
  }

  /** A new process on the same session. */
  restart(reason: string): Promise<{ requeued: string[] }> {
    return this.#exclusive(async () => {
      const closed = await this.#closeWhenIdle(reason);
      this.#wake = true;
      return { requeued: closed?.requeued ?? [] };
    });
  }

  /** Stop, and a new session. */
  reset(): Promise<{ stopped: Array<{ id: string; ran: boolean }>; record: SessionRecord }> {
    return this.#exclusive(async () => {
      const stopped = await this.stop();
      await this.#closeWhenIdle("reset");
      const opened = await this.#open();
      const { session } = await this.#write((ledger) => ledger.resetSession(opened.lease, randomUUID()));
      opened.record = session;
      return { stopped, record: session };
    });
  }

  /** The session before the last reset again. `busy` while something is open; null when there is none. */
  undoReset(): Promise<{ record: SessionRecord } | "busy" | null> {
    return this.#exclusive(async () => {
      if (this.#entries.length > 0) return "busy";
      const opened = await this.#open();
      await this.#closeWhenIdle("reset undone");
      const undone = await this.#write((ledger) => ledger.undoReset(opened.lease));
      if (undone === null) return null;
      opened.record = undone.session;
      return { record: undone.session };
    });
  }

  /** For shutdown: nothing is handed over any more; the turn may end, the process is closed, the queue stays. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.close("shutdown");
    await this.#writes.settled();
  }

  /** Looks whether the process is well and still needed, and acts on it. */
  async check(): Promise<void> {
    const live = this.#live;
    if (live === null || !live.ready || live.closing !== null) return;
    const over = new AbortController();
    const answered = await Promise.race([
      // When it is gone, its `gone` tells so.
      live.process.ping().then(
        () => true,
        () => true,
      ),
      sleep(this.#around.clock, pingLimitMs, over.signal).then(() => false),
    ]);
    over.abort();
    if (this.#live === live) this.#act(live, answered);
  }

  /** The pool needs the slot of the idle process. */
  yieldSlot(): void {
    if (this.#live !== null) this.#closeNow(this.#live, "its slot is needed");
  }

  /** Ends the process whatever it does, for a session that is thrown away. Resolves when its tree is gone. */
  async abandon(): Promise<void> {
    this.#draining = true;
    this.#launching?.abort.abort();
    await this.#launching?.settled;
    await this.#live?.process.kill();
    this.#around.pool.release(this);
  }

  // The run loop

  #kick(): void {
    if (this.#running) {
      this.#pump();
      return;
    }
    this.#running = true;
    this.#run().then(
      () => {
        this.#running = false;
        if (this.#wanted()) this.#kick();
        else if (this.#holds === 0) this.#around.onDormant(this);
      },
      (error) => this.#around.onCrash(this, error),
    );
  }

  async #run(): Promise<void> {
    await this.#open();
    await this.#recover();
    while (this.#wanted()) {
      if (this.#holds > 0) await this.#unheld.promise;
      const live = await this.#launch();
      if (live === null) continue;
      this.#pump();
      await live.over.promise;
      live.requeued.resolve(await this.#recover());
    }
  }

  #wanted(): boolean {
    return !this.#draining && (this.#wake || this.#entries.length > 0);
  }

  async #open(): Promise<Opened> {
    if (this.#opened !== null) return this.#opened;
    const grant = await this.#write((ledger) => ledger.acquire(this.chatId, this.#around.hostId));
    if ("heldBy" in grant) throw new Error(`the chat is held by host ${grant.heldBy}`);
    const lease = { chatId: this.chatId, epoch: grant.epoch };
    const record = await this.#write((ledger) => ledger.openSession(lease, randomUUID()));
    const chat = await this.#around.ledger.chat(this.chatId);
    if (chat === null) throw new Error("the chat is not in the ledger");
    this.#opened ??= { lease, record, contact: chat.contact, name: chat.sessionName };
    return this.#opened;
  }

  /** Waits for a slot and a start, then spawns the process. Null: it is not wanted now, or could not be started. */
  async #launch(): Promise<Live | null> {
    const abort = new AbortController();
    const settled = Promise.withResolvers<void>();
    this.#launching = { abort, settled: settled.promise };
    try {
      await sleep(this.#around.clock, restartDelayMs(this.#deaths), abort.signal);
      if (!(await this.#around.pool.acquire(this, abort.signal))) return null;
      if (await this.#around.pool.starts.enter(abort.signal)) await this.#spawn(abort.signal);
      return this.#live;
    } finally {
      if (this.#live === null) this.#around.pool.release(this);
      this.#launching = null;
      settled.resolve();
    }
  }

  /** Sets `#live` unless it fails or is aborted. Holds a place among the starts, and leaves it when it is done. */
  async #spawn(aborted: AbortSignal): Promise<void> {
    const { pool, folders } = this.#around;
    const startDone = once(() => pool.starts.leave());
    try {
      const { lease, record, name, contact } = await this.#open();
      this.#refuseUnwelcome();
      const first = this.#entries[0];
      const policy = this.#policyOf(first?.message.sender ?? null);
      if (policy === undefined) this.#wake = false;
      if (policy === undefined || !this.#wanted()) return;
      const reason = first === undefined ? "restart" : "message";
      const [{ generation }, ground] = await Promise.all([
        this.#write((ledger) => ledger.beginProcess(lease, record.id, reason)),
        prepareGround(record, name, folders, this.#log),
      ]);
      if (aborted.aborted) {
        await this.#write((ledger) => ledger.processEnded(lease, generation, "not needed any more"));
        return;
      }
      if (ground.transcript === null && record.sdkSessionId !== null) {
        const text = "The transcript of this session is not there any more; the conversation begins anew.";
        this.#log.error({ sessionId: record.id, contact: contact.name }, text);
        this.#note({ type: "notice", code: "transcript_missing", text });
      }
      try {
        const onEvent = (event: ClaudeEvent) => this.#on(generation, event);
        const { toldFacts } = record;
        this.#live = spawnLive(this.#around, { generation, policy, ground, toldFacts, startDone, onEvent });
      } catch (error) {
        await this.#startFailed(generation, error);
        return;
      }
      this.#wake = false;
      const { pid } = this.#live.process;
      this.#later((ledger) => ledger.processStarted(lease, generation, pid));
    } finally {
      if (this.#live === null) startDone();
    }
  }

  /** The system did not let us spawn it. After so many times in a row the messages fail instead of waiting for ever. */
  async #startFailed(generation: number, error: unknown): Promise<void> {
    const { lease } = await this.#open();
    const message = error instanceof Error ? error.message : String(error);
    this.#log.error({ generation, error: message }, "a process could not be started");
    await this.#write((ledger) => ledger.processEnded(lease, generation, message));
    this.#deaths += 1;
    if (this.#deaths < maxTries) return;
    this.#deaths = 0;
    this.#wake = false;
    this.#end(this.#entries, { status: "failed", ran: null, error: { code: "start_failed", message } });
  }

  /** Decides about every message that was charged under a process that is gone. Returns those that are queued again. */
  async #recover(): Promise<string[]> {
    await this.#writes.settled();
    const open = this.#entries.filter(({ phase }) => phase !== "queued");
    const turn = this.#turn;
    this.#turn = null;
    if (open.length === 0) return [];
    const { record, lease } = await this.#open();
    const space = spaceOf(this.#around.folders.spaces, record.id);
    const transcript = await findTranscript(space, record.sdkSessionId ?? record.id);
    const verdicts = decide(
      open.map(unfinished),
      transcript === null ? new Set() : await takenUuids(transcript),
    );
    const requeued = verdicts.flatMap(({ messageId, action }) => (action === "send" ? [messageId] : []));
    const endings = endingsAfter(verdicts);
    if (requeued.length > 0) await this.#write((ledger) => ledger.requeue(lease, requeued));
    if (turn !== null) {
      const members = turn.members.map(({ message }) => message.id);
      await this.#write((ledger) => ledger.endTurn(lease, cutTurn(turn.id, members, endings)));
    } else if (endings.length > 0) {
      await this.#write((ledger) => ledger.endMessages(lease, endings));
    }
    for (const entry of open) {
      const ending = endings.find(({ messageId }) => messageId === entry.message.id);
      if (ending === undefined) entry.phase = "queued";
      else this.#leave(entry, { status: ending.status, ran: ending.ran ?? true });
    }
    return requeued;
  }

  // Handing over

  #pump(): void {
    const live = this.#live;
    if (live === null || this.#isHeld(live)) return;
    this.#refuseUnwelcome();
    const uncharged: Entry[] = [];
    for (const entry of this.#entries) {
      if (inHand(entry)) continue;
      if (entry.phase === "charging" || (entry.phase === "charged" && uncharged.length > 0)) break;
      const { sender, route } = entry.message;
      if (!this.#mayJoin(live, sender, route)) {
        const free = uncharged.length === 0 && !this.#entries.some(inHand);
        if (free) this.#closeNow(live, "the next message needs another policy");
        break;
      }
      if (entry.phase === "charged") this.#handOver(live, entry);
      else uncharged.push(entry);
    }
    if (uncharged.length > 0) this.#background(this.#charge(live, uncharged));
    this.#noteIdle(live);
  }

  async #charge(live: Live, entries: readonly Entry[]): Promise<void> {
    const { lease } = this.#known();
    const tries = entries.map((entry) => ({ messageId: entry.message.id, sdkUuid: nextUuid(entry) }));
    for (const [at, entry] of entries.entries()) {
      entry.phase = "charging";
      entry.sdkUuids.push(tries[at]?.sdkUuid ?? entry.message.id);
    }
    await this.#write((ledger) => ledger.charge(lease, live.generation, tries));
    for (const entry of entries) entry.phase = "charged";
    this.#end(
      entries.filter(({ stopRequested }) => stopRequested),
      stoppedBefore,
    );
    this.#pump();
  }

  #handOver(live: Live, entry: Entry): void {
    const { contact } = this.#known();
    const facts = factsOf(contact);
    const news = facts === live.toldFacts ? null : facts;
    live.toldFacts = facts;
    entry.phase = "handed";
    live.process.send(currentUuid(entry), contentOf(entry.message, contact.group, news));
  }

  /** Its process was gone before it could be handed over: the try is lost. */
  async #requeue(entry: Entry): Promise<void> {
    entry.phase = "charging";
    const { lease } = await this.#open();
    await this.#write((ledger) => ledger.requeue(lease, [entry.message.id]));
    entry.phase = "queued";
    if (entry.stopRequested) this.#end([entry], stoppedBefore);
    this.#kick();
  }

  /** Whether a message may join what is in the process's hands. */
  #mayJoin(live: Live, sender: Sender | null, route: Json): boolean {
    if (this.#policyOf(sender) !== live.policy) return false;
    const there = this.#entries.find(inHand);
    return there === undefined || JSON.stringify(there.message.route) === JSON.stringify(route);
  }

  #isHeld(live: Live): boolean {
    return this.#holds > 0 || this.#draining || live.closing !== null;
  }

  /** Undefined: refused. */
  #policyOf(sender: Sender | null): Policy | undefined {
    return this.#around.tiers.get(effectiveTier(this.#known().contact.tier, sender?.tier));
  }

  /** A contact may have been changed to a refused tier after its messages were accepted. */
  #refuseUnwelcome(): void {
    const error = {
      code: "refused_contact",
      message: "The contact's tier was changed to one that is refused.",
    };
    this.#end(
      this.#entries.filter(({ phase, message }) => phase === "queued" && !this.#policyOf(message.sender)),
      { status: "refused", ran: null, error },
    );
  }

  // What the process tells

  #on(generation: number, event: ClaudeEvent): void {
    const live = this.#live;
    if (live === null || live.generation !== generation) return;
    switch (event.type) {
      case "ready":
        live.ready = true;
        live.startDone();
        this.#noteIdle(live);
        break;
      case "taken":
        this.#taken(live, event.sdkUuid);
        break;
      case "dropped":
        this.#dropped(live, event.sdkUuid);
        break;
      case "text":
        if (this.#turn === null) break;
        this.#around.onText({
          chatId: this.chatId,
          turnId: this.#turn.id,
          offset: event.offset,
          text: event.text,
        });
        break;
      case "tool":
        if (this.#turn === null) break;
        this.#turn.tool(event.toolUseId, event.state);
        this.#note({ ...event, turnId: this.#turn.id });
        break;
      case "waiting":
        this.#turn?.waits(event.for);
        break;
      case "done":
      case "failed":
        this.#turnEnded(live, event);
        break;
      case "gone":
        this.#gone(live, event);
        break;
    }
  }

  /** The first message that is taken while no turn runs begins one; the others join it. */
  #taken(live: Live, sdkUuid: string): void {
    const entry = this.#entries.find((each) => currentUuid(each) === sdkUuid);
    if (entry === undefined) return;
    entry.phase = "taken";
    const { lease, record } = this.#known();
    const messageIds = [entry.message.id];
    const running = this.#turn;
    if (running === null) {
      const turn = new OpenTurn([entry]);
      this.#turn = turn;
      const begin = { id: turn.id, sessionId: record.id, generation: live.generation, messageIds };
      this.#later((ledger) => ledger.beginTurn(lease, begin));
    } else {
      running.members.push(entry);
      this.#later((ledger) => ledger.joinTurn(lease, running.id, messageIds));
    }
  }

  /** The process will not run it: cancelled by our interrupt, or taken for one that it knows. */
  #dropped(live: Live, sdkUuid: string): void {
    const entry = this.#entries.find((each) => each.phase === "handed" && currentUuid(each) === sdkUuid);
    if (entry === undefined) return;
    // If it bore the facts, they have not been told.
    live.toldFacts = this.#known().record.toldFacts;
    const error = { code: "interrupted", message: "The process did not run the message." };
    this.#end([entry], entry.stopRequested ? stoppedBefore : { status: "failed", ran: null, error });
    this.#pump();
  }

  #turnEnded(live: Live, event: Extract<ClaudeEvent, { type: "done" | "failed" }>): void {
    const turn = this.#turn;
    const { request, toldFacts } = live;
    this.#turn = null;
    live.request = null;
    if (event.type === "done") live.failuresInARow = 0;
    else if (!event.interrupted) live.failuresInARow += 1;
    if (turn === null) {
      const text = "Claude ran a turn that no message had started; it makes no reply.";
      this.#note({ type: "notice", code: "unasked_turn", text });
    } else {
      const opened = this.#known();
      const { lease, record } = opened;
      const { sdkSessionId } = event;
      opened.record = { ...record, sdkSessionId, toldFacts };
      const members = turn.members.map(({ message, stopRequested }) => ({ id: message.id, stopRequested }));
      const endings = endingsOf(event, members);
      // A reply that is fetched is sent with its commit; channels that deliver theirs will begin with `pending`.
      const answer = event.type === "done" && endings.length === 0 ? event.text : null;
      if (answer !== null) this.#deaths = 0;
      this.#later((ledger) =>
        ledger.endTurn(lease, {
          turnId: turn.id,
          outcome: outcomeOf(endings),
          messageIds: members.map(({ id }) => id),
          reply: answer === null ? null : { id: randomUUID(), text: answer, status: "sent" },
          endings,
          proven: { sessionId: record.id, sdkSessionId, toldFacts },
          usage: event.usage,
          requestAt: request?.leftAt ?? null,
          firstByteAt: request?.firstByteAt ?? null,
        }),
      );
      for (const [at, entry] of turn.members.entries()) {
        this.#leave(entry, { status: endings[at]?.status ?? "answered", ran: true });
      }
    }
    this.#act(live, true);
    this.#pump();
  }

  #gone(live: Live, { reason, stderr }: Extract<ClaudeEvent, { type: "gone" }>): void {
    const { lease } = this.#known();
    const { pool, clock } = this.#around;
    live.startDone();
    live.token.revoke();
    this.#live = null;
    if (live.closing === null) {
      this.#log.warn({ generation: live.generation, reason, stderr }, "the process ended unexpectedly");
      this.#deaths = clock.now() - live.since > livedLongMs ? 1 : this.#deaths + 1;
      // Started anew before it is asked for, but not at somebody else's cost and not for ever.
      this.#wake = this.#deaths <= maxTries && pool.slots.waiting === 0;
    }
    const why = live.closing ?? reason;
    this.#later((ledger) => ledger.processEnded(lease, live.generation, why));
    pool.release(this);
    live.over.resolve();
  }

  // Closing

  #act(live: Live, answered: boolean): void {
    const { clock, limits } = this.#around;
    const snapshot = { failuresInARow: live.failuresInARow, idleSince: this.idleSince, answered };
    const judgement = judge(snapshot, clock.monotonic(), limits);
    if (judgement.verdict === "healthy") return;
    this.#log.info({ generation: live.generation, ...judgement }, "closing the process");
    if (judgement.verdict === "sick") this.#wake = true;
    this.#closeNow(live, judgement.reason);
  }

  #closeNow(live: Live, reason: string): void {
    if (live.closing !== null) return;
    live.closing = reason;
    // Only an idle one can be closed in order: what a busy one still did would be lost to us.
    this.#background(this.#entries.some(inHand) ? live.process.kill() : live.process.close());
  }

  /** Lets what is in the process's hands end, then closes it; after the drain limit, or in a hurry, it is killed. */
  async #closeWhenIdle(reason: string): Promise<{ requeued: string[] } | null> {
    const live = this.#live;
    if (live === null) return null;
    const { clock, limits, hurry } = this.#around;
    const idle = new AbortController();
    const ends = this.#entries.filter(inHand).map(({ end }) => end.promise);
    await Promise.race([
      Promise.all(ends),
      live.over.promise,
      sleep(clock, limits.drainMs, AbortSignal.any([hurry, idle.signal])),
    ]);
    idle.abort();
    this.#closeNow(live, reason);
    return { requeued: await live.requeued.promise };
  }

  /** Interrupts until `ends` resolves; after the stop limit the process is killed. */
  async #interruptUntil(ends: Promise<unknown>): Promise<void> {
    const { clock, limits } = this.#around;
    const interrupt = () => {
      const live = this.#live;
      if (live === null || live.closing !== null || !this.#entries.some(inHand)) return;
      // Before it is ready an interrupt would have no effect.
      if (live.ready) live.process.interrupt().catch(() => {});
      else this.#closeNow(live, "stopped while starting");
    };
    interrupt();
    const cancelRepeat = clock.every(interruptEveryMs, interrupt);
    const cancelKill = clock.after(limits.stopMs, () => {
      if (this.#live !== null) this.#closeNow(this.#live, "did not stop when asked to");
    });
    await ends;
    cancelRepeat();
    cancelKill();
  }

  /** Ends messages outside of a turn. */
  #end(entries: readonly Entry[], how: Omit<Ending, "messageId">): void {
    if (entries.length === 0) return;
    const endings = entries.map(({ message }) => ({ messageId: message.id, ...how }));
    for (const entry of entries) this.#leave(entry, { status: how.status, ran: how.ran ?? false });
    this.#background(
      this.#open().then(({ lease }) => this.#write((ledger) => ledger.endMessages(lease, endings))),
    );
  }

  #leave(entry: Entry, end: End): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    entry.end.resolve(end);
  }

  #noteIdle(live: Live): void {
    const idle = live.ready && this.#turn === null && this.#entries.length === 0;
    if (idle === (live.idleSince !== null)) return;
    live.idleSince = idle ? this.#around.clock.monotonic() : null;
    if (idle) this.#around.pool.makeRoom();
  }

  // Small steps

  #known(): Opened {
    if (this.#opened === null) throw new Error("the session is not open");
    return this.#opened;
  }

  #write<T>(write: (ledger: Ledger) => Promise<T>): Promise<T> {
    return this.#writes.run(() => write(this.#around.ledger));
  }

  /** A write that nobody waits for, in its place among the others. */
  #later(write: (ledger: Ledger) => Promise<unknown>): void {
    this.#background(this.#write(write));
  }

  #note(change: Extract<Change, { type: "tool" | "notice" }>): void {
    const { lease } = this.#known();
    this.#later((ledger) => ledger.append(lease, [change]));
  }

  /** What nobody waits for must not fail unseen. */
  #background(work: Promise<unknown>): void {
    work.catch((error) => this.#around.onCrash(this, error));
  }

  /** While `work` runs, nothing is handed over; a launch that has not come to a process yet is called off. */
  async #hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#holds === 0) this.#unheld = Promise.withResolvers();
    this.#holds += 1;
    try {
      this.#launching?.abort.abort();
      await this.#launching?.settled;
      return await work();
    } finally {
      this.#holds -= 1;
      if (this.#holds === 0) this.#unheld.resolve();
      this.#kick();
    }
  }

  /** One action after the other, each holding the session from the moment that it was asked for. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const earlier = this.#actions;
    const result = this.#hold(async () => {
      await earlier;
      return await work();
    });
    this.#actions = result.catch(() => {});
    return result;
  }
}

/** Whether the patch would change nothing. */
function isKnown({ name, tier, group }: ContactPatch, contact: Contact): boolean {
  return (
    (name === undefined || name === contact.name) &&
    (tier === undefined || tier === contact.tier) &&
    (group === undefined || group === contact.group)
  );
}

function once(fn: () => void): () => void {
  let done = false;
  return () => {
    if (!done) fn();
    done = true;
  };
}
