/**
 * The ledger on SQLite, for one host. This is the main thread's side: calls go to the worker that owns the database
 * and come back as promises, so that a slow or locked disk stops no timer, ping or stream of this thread.
 * What is called in one tick crosses in one message, and so do the answers of one commit.
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { type Ledger, LedgerError, type LedgerEvent } from "./ledger.ts";
import type {
  Args,
  Call,
  Failed,
  FromWorker,
  Method,
  Result,
  SqliteOptions,
  ToWorker,
} from "./sqlite/protocol.ts";

export type { SqliteOptions };

/** The worker has the extension of this file: `.ts` from source, `.js` when built. */
const workerUrl = new URL(`./sqlite/worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Opens or creates the ledger in one file. Leases given before are stale from now on, and processes that were left
 * running are recorded as ended (`daemon ended`). An open ledger keeps the Node process alive; `close` lets it go.
 *
 * Errors: `corrupt` and `newer_schema` (the file is left untouched), `storage_failed` (it cannot be opened or
 * written), `storage_full`, `storage_busy` (another program held it for longer than `busyMs`).
 *
 * @example
 * const ledger = await openSqliteLedger({ path: "./switchboard.db" });
 */
export async function openSqliteLedger({
  path,
  busyMs = 30_000,
  maxBytes = Number.POSITIVE_INFINITY,
}: SqliteOptions): Promise<Ledger> {
  const link = await Link.open({ path, busyMs, maxBytes });
  const call =
    <M extends Method>(method: M) =>
    (...args: Args<M>): Promise<Result<M>> =>
      link.call(method, args);
  return {
    chat: call("chat"),
    chats: call("chats"),
    putContact: call("putContact"),
    forget: call("forget"),
    forgottenSpaces: call("forgottenSpaces"),
    spaceGone: call("spaceGone"),
    expire: call("expire"),
    removeConversations: call("removeConversations"),
    shrink: call("shrink"),
    pendingChat: call("pendingChat"),
    pendingChats: call("pendingChats"),
    dismissPending: call("dismissPending"),
    portableChats: call("portableChats"),
    importChats: call("importChats"),
    accept: call("accept"),
    message: call("message"),
    history: call("history"),
    attachmentData: call("attachmentData"),
    openMessages: call("openMessages"),
    works: call("works"),
    acceptTimes: call("acceptTimes"),
    chatsWithOpenMessages: call("chatsWithOpenMessages"),
    acquire: call("acquire"),
    renew: call("renew"),
    release: call("release"),
    openSession: call("openSession"),
    resetSession: call("resetSession"),
    undoReset: call("undoReset"),
    beginProcess: call("beginProcess"),
    processStarted: call("processStarted"),
    processEnded: call("processEnded"),
    processes: call("processes"),
    charge: call("charge"),
    requeue: call("requeue"),
    endMessages: call("endMessages"),
    notify: call("notify"),
    beginTurn: call("beginTurn"),
    joinTurn: call("joinTurn"),
    endTurn: call("endTurn"),
    beginTool: call("beginTool"),
    endTool: call("endTool"),
    toolCalls: call("toolCalls"),
    spend: call("spend"),
    spending: call("spending"),
    chatSpending: call("chatSpending"),
    allowMore: call("allowMore"),
    allowances: call("allowances"),
    gauge: call("gauge"),
    rollups: call("rollups"),
    chatCount: call("chatCount"),
    askApproval: call("askApproval"),
    endApproval: call("endApproval"),
    approval: call("approval"),
    pendingApprovals: call("pendingApprovals"),
    decideApproval: call("decideApproval"),
    turns: call("turns"),
    append: call("append"),
    channels: call("channels"),
    chatsWithReplies: call("chatsWithReplies"),
    nextReply: call("nextReply"),
    deliver: call("deliver"),
    failedReplies: call("failedReplies"),
    retryReply: call("retryReply"),
    changes: call("changes"),
    lastSeq: call("lastSeq"),
    onCommit: (listener) => link.onCommit(listener),
    close: () => link.close(),
  };
}

type Listener = (events: readonly LedgerEvent[]) => void;

interface Pending {
  resolve(value: unknown): void;
  reject(error: LedgerError): void;
}

/** One worker and the calls under way. Open until it is closed or the worker dies. */
class Link {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #opened = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<Listener>();
  #outbox: Call[] = [];
  #lastId = 0;
  /** Why nothing can be called any more. */
  #ended: Failed | null = null;
  #crash: unknown;

  static async open(options: Required<SqliteOptions>): Promise<Link> {
    const link = new Link(options);
    await link.#opened.promise;
    return link;
  }

  private constructor(options: Required<SqliteOptions>) {
    this.#path = options.path;
    // Flags of the main thread are its own: some (`--input-type`) would keep the worker from starting.
    this.#worker = new Worker(workerUrl, { name: "ledger", workerData: options, execArgv: [] });
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => {
      this.#crash = error;
    });
    this.#worker.on("exit", (code) => this.#exit(code));
  }

  call<M extends Method>(method: M, args: Args<M>): Promise<Result<M>> {
    if (this.#ended !== null) return Promise.reject(errorOf(this.#ended));
    const { promise, resolve, reject } = Promise.withResolvers<Result<M>>();
    const id = ++this.#lastId;
    // The worker answers a call with what the method of this name returns.
    this.#pending.set(id, { resolve: (value) => resolve(value as Result<M>), reject });
    // A tick runs after all microtasks: whoever goes on after an answer of the last batch is in the next one.
    if (this.#outbox.length === 0) process.nextTick(() => this.#flush());
    this.#outbox.push({ id, method, args });
    return promise;
  }

  onCommit(listener: Listener): () => void {
    const own: Listener = (events) => listener(events);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  close(): Promise<void> {
    if (this.#ended === null) {
      this.#ended = { code: "closed", message: `The ledger ${this.#path} is closed.` };
      this.#flush();
      this.#post("close");
    }
    return this.#exited.promise;
  }

  #flush(): void {
    const calls = this.#outbox;
    this.#outbox = [];
    if (calls.length === 0) return;
    try {
      this.#post(calls);
    } catch {
      for (const call of calls) this.#postAlone(call);
    }
  }

  /** What cannot cross between threads (a function in a route, say) fails its own call only. */
  #postAlone(call: Call): void {
    try {
      this.#post([call]);
    } catch (error) {
      this.#settle(call.id)?.reject(
        new LedgerError("invalid", `The call ${call.method} has arguments that are not plain data: ${error}`),
      );
    }
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "opened":
        this.#opened.resolve();
        break;
      case "refused":
        this.#opened.reject(errorOf(message.failed));
        break;
      case "batch":
        for (const answer of message.answers) {
          const pending = this.#settle(answer.id);
          if ("failed" in answer) pending?.reject(errorOf(answer.failed));
          else pending?.resolve(answer.value);
        }
        if (message.events.length > 0) this.#tell(message.events);
        break;
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #tell(events: readonly LedgerEvent[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(events);
      } catch (error) {
        // A defect of one listener is nobody else's: it surfaces as uncaught, and the others get the batch.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }

  #exit(code: number): void {
    const reason = this.#crash === undefined ? `exit code ${code}` : String(this.#crash);
    const failed: Failed = {
      code: "storage_failed",
      message: `The ledger's worker for ${this.#path} ended unexpectedly (${reason}). Restart Switchboard.`,
    };
    this.#ended ??= failed;
    this.#opened.reject(errorOf(failed));
    for (const { reject } of this.#pending.values()) reject(errorOf(failed));
    this.#pending.clear();
    this.#tell([]);
    this.#listeners.clear();
    this.#exited.resolve();
  }
}

function errorOf({ code, message }: Failed): LedgerError {
  return new LedgerError(code, message);
}
