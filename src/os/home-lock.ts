/**
 * One daemon a home: a lock that the operating system releases when its holder dies in any way.
 *
 * Node has no flock, and a file with a pid in it is no lock. SQLite is used here for one thing only, its lock
 * on a file (fcntl): `BEGIN IMMEDIATE` is open for the life of the daemon, which keeps others from writing
 * and lets them read who holds it.
 *
 * Who holds it has to be committed before that, by a claim: whoever gets the lock and finds no claim of a
 * living process writes its own and takes the lock again. So the holder is always the one whom the row names.
 *
 * Such locks belong to the process, and closing *any* descriptor of the file drops them: nothing else in the
 * daemon may open `<home>/lock`.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import { pause } from "./pause.ts";
import { startTimeOf } from "./process-table.ts";

export interface HomeLock {
  /** Lets others take the home. A second call does nothing. */
  release(): void;
}

export interface HomeHolder {
  readonly pid: number;
  /** When it took the lock, in ms since the Unix epoch. */
  readonly since: number;
}

/** The lock can be neither taken nor read; the message names the file and the reason. Nothing was changed. */
export class HomeLockError extends Error {
  override readonly name = "HomeLockError";
  /**
   * `unwritable`: the folder or the file. `not_a_lock`: another file stands there. `busy`: held, but its
   * holder is silent.
   */
  readonly code: "unwritable" | "not_a_lock" | "busy";

  constructor(code: HomeLockError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** How long one waits for another starter between its claim and its lock. */
const PATIENCE_MS = 1000;

/**
 * Takes the lock of the home folder `home`, or tells who holds it. Of several starters exactly one gets it.
 * Does not wait for a holder to go.
 *
 * ```ts
 * const lock = await lockHome(home, { clock });
 * if ("heldBy" in lock) throw new Error(`already running: process ${lock.heldBy.pid}`);
 * ```
 *
 * Rejects with `HomeLockError`.
 */
export async function lockHome(
  home: string,
  { clock }: { readonly clock: Clock },
): Promise<HomeLock | { readonly heldBy: HomeHolder }> {
  const file = join(home, "lock");
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file);
    const holder = await contend(db, clock);
    if (holder === undefined) return hold(db);
    db.close();
    return { heldBy: { pid: holder.pid, since: holder.since } };
  } catch (error) {
    db?.close();
    throw explain(error, file);
  }
}

interface Claim extends HomeHolder {
  readonly id: string;
  /** With the pid it tells whether the claimant still lives. */
  readonly startTime: number;
}

/** Resolves with undefined when the lock is ours, its transaction open; else with the claim of the holder. */
async function contend(db: DatabaseSync, clock: Clock): Promise<Claim | undefined> {
  const ours: Claim = {
    id: randomUUID(),
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? 0,
    since: clock.now(),
  };
  const deadline = clock.monotonic() + PATIENCE_MS;
  for (;;) {
    const patient = clock.monotonic() < deadline;
    if (unlessBusy(() => db.exec("BEGIN IMMEDIATE"))) {
      const claim = readClaim(db);
      if (claim?.id === ours.id) return undefined;
      const isAboutToLock = claim !== undefined && isAlive(claim) && patient;
      if (!isAboutToLock) {
        writeClaim(db, ours);
        if (unlessBusy(() => db.exec("COMMIT"))) continue;
      }
      db.exec("ROLLBACK");
    } else {
      const claim = readClaim(db);
      if (claim && claim.id !== ours.id && (isAlive(claim) || !patient)) return claim;
      if (!patient) throw new HomeLockError("busy", `${db.location()} is locked by an unknown process`);
    }
    await pause(clock, 5 + 10 * Math.random());
  }
}

/**
 * Locks that are held. Without a reference the garbage collector would close the database and drop the lock.
 */
const held = new Set<DatabaseSync>();

function hold(db: DatabaseSync): HomeLock {
  held.add(db);
  return {
    release() {
      if (!held.delete(db)) return;
      // So that nobody waits for a claimant who lives but has released. If somebody reads just now, they do wait.
      unlessBusy(() => db.exec("DELETE FROM holder; COMMIT"));
      db.close();
    },
  };
}

function readClaim(db: DatabaseSync): Claim | undefined {
  let row: Record<string, unknown> | undefined;
  unlessBusy(() => {
    const isNew = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'holder'").get() === undefined;
    row = isNew ? undefined : db.prepare("SELECT id, pid, start_time, since FROM holder").get();
  });
  return (
    row && {
      id: String(row.id),
      pid: Number(row.pid),
      startTime: Number(row.start_time),
      since: Number(row.since),
    }
  );
}

function writeClaim(db: DatabaseSync, { id, pid, startTime, since }: Claim): void {
  db.exec("CREATE TABLE IF NOT EXISTS holder (id TEXT, pid INTEGER, start_time INTEGER, since INTEGER)");
  db.exec("DELETE FROM holder");
  db.prepare("INSERT INTO holder VALUES (?, ?, ?, ?)").run(id, pid, startTime, since);
}

function isAlive({ pid, startTime }: Claim): boolean {
  return startTimeOf(pid) === startTime;
}

/** Whether `action` was done; false when another process has locked the file. */
function unlessBusy(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (sqliteCode(error) === SQLITE_BUSY) return false;
    throw error;
  }
}

/** https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error && "errcode" in error && typeof error.errcode === "number")) return undefined;
  // The low byte is the kind of the error, the rest its variant.
  return error.errcode & 0xff;
}

function explain(error: unknown, file: string): unknown {
  const code = sqliteCode(error);
  if (!(error instanceof Error) || code === undefined) return error;
  if (code === SQLITE_NOTADB || code === SQLITE_CORRUPT) {
    const message = `${file} is no lock of Switchboard's (${error.message}): move it away if nothing needs it`;
    return new HomeLockError("not_a_lock", message, { cause: error });
  }
  return new HomeLockError("unwritable", `cannot lock ${file}: ${error.message}`, { cause: error });
}
