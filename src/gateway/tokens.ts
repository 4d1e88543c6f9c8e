/**
 * The keys that Claude processes hold instead of the real credential: one a process, worthless anywhere else and
 * after its revocation. Only their hashes are kept.
 */
import { createHash, randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export class Tokens<Holder> {
  readonly #holders = new Map<string, Holder>();

  /** A token of 256 random bits. */
  issue(holder: Holder): { token: string; revoke(): void } {
    const token = `switchboard-${randomBytes(32).toString("base64url")}`;
    const key = hash(token);
    this.#holders.set(key, holder);
    return { token, revoke: () => void this.#holders.delete(key) };
  }

  /** Whose token the request carries, as `x-api-key` or as bearer token. */
  holder(headers: IncomingHttpHeaders): Holder | undefined {
    const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1];
    const token = headers["x-api-key"] ?? bearer;
    // A look-up's time tells at most how hashes resemble each other, and nobody can choose a token by its hash.
    return typeof token === "string" ? this.#holders.get(hash(token)) : undefined;
  }
}

const hash = (token: string) => createHash("sha256").update(token).digest("base64");
