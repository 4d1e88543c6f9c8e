/**
 * The kit's own look into the ledger while the daemon runs, by SQL on a connection that only reads. While the file cannot
 * be read (not made yet, disk full), what was seen last holds.
 */

import { DatabaseSync } from "node:sqlite";

export class LedgerEye {
  readonly #path: string;
  #db: DatabaseSync | null = null;

  constructor(home: string) {
    this.#path = `${home}/switchboard.db`;
  }

  /** The number of open messages by chat. */
  open(): Map<string, number> | null {
    const rows = this.#rows(
      "SELECT chat_id, count(*) AS n FROM messages WHERE status IN ('queued', 'sent') GROUP BY chat_id",
    );
    return rows && new Map(rows.map(({ chat_id, n }) => [String(chat_id), Number(n)]));
  }

  /** Replies are numbered by their rows; the newest one's number. */
  newestReply(): { row: number; id: string; chatId: string } | null {
    const [row] =
      this.#rows("SELECT rowid AS row, id, chat_id FROM replies ORDER BY rowid DESC LIMIT 1") ?? [];
    return row === undefined
      ? null
      : { row: Number(row.row), id: String(row.id), chatId: String(row.chat_id) };
  }

  /** How many turns have begun and not ended. */
  turnsUnderWay(): number {
    const [row] = this.#rows("SELECT count(*) AS n FROM turns WHERE ended_at IS NULL") ?? [];
    return Number(row?.n ?? 0);
  }

  /** How many messages have each end. */
  ends(): Map<string, number> {
    const rows =
      this.#rows(
        "SELECT status, count(*) AS n FROM messages WHERE status NOT IN ('queued', 'sent') GROUP BY status",
      ) ?? [];
    return new Map(rows.map(({ status, n }) => [String(status), Number(n)]));
  }

  /** Whether it is on its way through its channel. */
  isUnderWay(replyId: string): boolean {
    const [row] = this.#rows("SELECT status FROM replies WHERE id = ?", replyId) ?? [];
    return row?.status === "pending" || row?.status === "sending";
  }

  /** How many replies have not come to the end of their way. */
  repliesUnderWay(): number {
    const [row] =
      this.#rows("SELECT count(*) AS n FROM replies WHERE status IN ('pending', 'sending')") ?? [];
    return Number(row?.n ?? 0);
  }

  /** The space of a chat's session now. */
  spaceOf(chatId: string): string | null {
    const [row] = this.#rows("SELECT id FROM sessions WHERE chat_id = ? AND put_aside IS NULL", chatId) ?? [];
    return row === undefined ? null : String(row.id);
  }

  chatOf(space: string): string | null {
    const [row] = this.#rows("SELECT chat_id FROM sessions WHERE id = ?", space) ?? [];
    return row === undefined ? null : String(row.chat_id);
  }

  /** A session goes by the id of its space until the SDK has given it another. */
  spaceOfSession(sessionId: string): string | null {
    const [row] =
      this.#rows("SELECT id FROM sessions WHERE id = ? OR sdk_session_id = ?", sessionId, sessionId) ?? [];
    return row === undefined ? null : String(row.id);
  }

  close(): void {
    this.#db?.close();
    this.#db = null;
  }

  #rows(sql: string, ...values: string[]): Array<Record<string, unknown>> | null {
    try {
      this.#db ??= new DatabaseSync(this.#path, { readOnly: true });
      return this.#db.prepare(sql).all(...values);
    } catch {
      this.close();
      return null;
    }
  }
}
