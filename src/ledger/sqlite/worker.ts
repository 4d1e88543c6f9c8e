/**
 * The thread that owns the database. Its one rhythm: take everything that has arrived, run the writes in one
 * transaction, then the reads, then answer all at once. While a commit waits for the disk the next batch gathers, so
 * the cost of a sync is shared by as many writes as came meanwhile, and a lone one never waits for company.
 *
 * Nothing is answered before the commit. A write that fails by itself is undone alone; when the commit fails, the
 * whole batch is. While another program holds the database the writes stay queued and reads go on being served.
 */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { LedgerEvent } from "../ledger.ts";
import { type Database, openDatabase } from "./database.ts";
import { lastEventSeq, readEvents } from "./events.ts";
import { failureOf, isBusy } from "./failure.ts";
import type {
  Answer,
  Call,
  Failed,
  FromWorker,
  Method,
  Reads,
  Result,
  SqliteOptions,
  Store,
  ToWorker,
} from "./protocol.ts";
import { createStore, takeOver } from "./store.ts";

/** How often a database that another program holds is tried again, in ms. */
const retryMs = 20;

/** What is carried out alone: see `#forget`. */
const aloneMethods: readonly Method[] = ["forget", "spaceGone", "expire", "shrink"];

/** Events that are told at once. */
const newsPage = 1000;

interface Waiting {
  call: Call;
  /** How long it may wait for another program, on the monotonic clock. */
  deadline: number;
}

class LedgerWorker {
  readonly #port: MessagePort;
  readonly #db: Database;
  readonly #options: Required<SqliteOptions>;
  readonly #reads: Reads;
  readonly #store: Store;
  /** The last event that the main thread was told. */
  #told: number;
  #writing: Waiting[] = [];
  #reading: Waiting[] = [];
  /** Not to be carried out together with others. */
  #forgetting: Waiting[] = [];
  #retry: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(port: MessagePort, db: Database, options: Required<SqliteOptions>) {
    this.#port = port;
    this.#db = db;
    this.#options = options;
    const { reads, writes } = createStore(db);
    this.#reads = reads;
    this.#store = { ...reads, ...writes };
    this.#told = lastEventSeq(db);
  }

  take(message: ToWorker): void {
    if (message === "close") {
      this.#closing = true;
      return;
    }
    const deadline = performance.now() + this.#options.busyMs;
    for (const call of message) {
      const queue = aloneMethods.includes(call.method) ? this.#forgetting : this.#writing;
      (call.method in this.#reads ? this.#reading : queue).push({ call, deadline });
    }
  }

  run(): void {
    const written = [...this.#write(), ...this.#forget()];
    let events = written.length > 0 ? this.#news() : [];
    // An import tells of very many: the main thread takes them in bites, and does other things in between.
    while (events.length === newsPage) {
      post(this.#port, { type: "batch", answers: [], events });
      events = this.#news();
    }
    const answers = [...written, ...this.#read()];
    if (answers.length > 0) post(this.#port, { type: "batch", answers, events });

    if (this.#writing.length + this.#forgetting.length + this.#reading.length > 0) {
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.run();
      }, retryMs);
    } else if (this.#closing) {
      // The last connection to close moves the log into the file.
      this.#db.close();
      this.#port.close();
    }
  }

  /**
   * All in one transaction. When one of them fails by itself the transaction is begun again, and each is done under a
   * savepoint of its own: that is rare, and savepoints cost as much again as the writes themselves (measured).
   */
  #write(): Answer[] {
    const batch = this.#writing;
    if (batch.length === 0) return [];
    this.#writing = [];
    return this.#commit(batch, "together") ?? this.#commit(batch, "each alone") ?? [];
  }

  /**
   * Each in a transaction of its own, without foreign keys (they cannot be switched within one). Then the log is emptied, for it
   * has the old pages; when another program reads from it just now, that is left to the next time that the log is moved.
   * An expiry's steps are many: `shrink` after the last empties the log.
   */
  #forget(): Answer[] {
    const batch = this.#forgetting;
    this.#forgetting = [];
    return batch.flatMap((waiting) => {
      this.#db.exec("PRAGMA foreign_keys = OFF");
      try {
        this.#db.run("BEGIN IMMEDIATE");
      } catch (error) {
        this.#db.exec("PRAGMA foreign_keys = ON");
        return this.#waitOrFail(waiting, this.#forgetting, error);
      }
      try {
        const value = carryOut(this.#store, waiting.call);
        this.#db.run("COMMIT");
        if (waiting.call.method !== "expire") this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
        return [{ id: waiting.call.id, value }];
      } catch (error) {
        this.#db.rollback();
        return [this.#failed(waiting.call, error)];
      } finally {
        this.#db.exec("PRAGMA foreign_keys = ON");
      }
    });
  }

  /** Null, and nothing written, when they are written together and one of them fails by itself. */
  #commit(batch: readonly Waiting[], how: "together" | "each alone"): Answer[] | null {
    try {
      this.#db.run("BEGIN IMMEDIATE");
    } catch (error) {
      return batch.flatMap((waiting) => this.#waitOrFail(waiting, this.#writing, error));
    }
    let answers: Answer[] | null = null;
    try {
      answers = batch.map(({ call }) =>
        how === "together" ? { id: call.id, value: carryOut(this.#store, call) } : this.#writeAlone(call),
      );
      this.#db.run("COMMIT");
      return answers;
    } catch (error) {
      // SQLite gives the whole transaction up when the disk is full; then none of them could be written.
      const byItself = answers === null && this.#db.inTransaction;
      this.#db.rollback();
      return byItself && how === "together" ? null : batch.map(({ call }) => this.#failed(call, error));
    }
  }

  /** Undoes what fails by itself; throws when SQLite has given up the whole transaction, as it does on a full disk. */
  #writeAlone(call: Call): Answer {
    this.#db.run("SAVEPOINT one");
    try {
      const value = carryOut(this.#store, call);
      this.#db.run("RELEASE one");
      return { id: call.id, value };
    } catch (error) {
      if (!this.#db.inTransaction) throw error;
      this.#db.run("ROLLBACK TO one");
      this.#db.run("RELEASE one");
      return this.#failed(call, error);
    }
  }

  #read(): Answer[] {
    const batch = this.#reading;
    this.#reading = [];
    return batch.flatMap((waiting) => {
      try {
        return [{ id: waiting.call.id, value: carryOut(this.#store, waiting.call) }];
      } catch (error) {
        return this.#waitOrFail(waiting, this.#reading, error);
      }
    });
  }

  /** Back in line when another program is in the way and there is time left. */
  #waitOrFail(waiting: Waiting, line: Waiting[], error: unknown): Answer[] {
    if (!isBusy(error) || performance.now() >= waiting.deadline) return [this.#failed(waiting.call, error)];
    line.push(waiting);
    return [];
  }

  /** Read back rather than kept from writing, so that listeners get exactly what `changes` gives. */
  #news(): LedgerEvent[] {
    try {
      const events = readEvents(this.#db, this.#told, newsPage, undefined);
      this.#told = events.at(-1)?.seq ?? this.#told;
      return events;
    } catch {
      // The commit stands and is answered; the next batch tells these too.
      return [];
    }
  }

  #failed({ id }: Call, error: unknown): Answer {
    return { id, failed: plain(error, this.#options.path) };
  }
}

function carryOut<M extends Method>(store: Store, { method, args }: Call<M>): Result<M> {
  return store[method](...args);
}

function plain(error: unknown, path: string): Failed {
  const { code, message } = failureOf(error, path);
  return { code, message };
}

function post(port: MessagePort, message: FromWorker): void {
  port.postMessage(message);
}

function start(port: MessagePort, options: Required<SqliteOptions>): void {
  let worker: LedgerWorker;
  try {
    const db = openDatabase(options);
    takeOver(db);
    db.neverWait();
    worker = new LedgerWorker(port, db, options);
  } catch (error) {
    post(port, { type: "refused", failed: plain(error, options.path) });
    port.close();
    return;
  }
  port.on("message", (message: ToWorker) => {
    worker.take(message);
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      worker.take(next.message);
    worker.run();
  });
  post(port, { type: "opened" });
}

if (parentPort === null) throw new Error("this file is the ledger's worker; open the ledger instead");
start(parentPort, workerData);
