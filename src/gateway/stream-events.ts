/**
 * A stream of server-sent events, cut where an event ends. Only whole events go on to a process, so that between any
 * two writes an event of our own fits in: a ping, or the error that ends a stream which broke off. Data is not parsed.
 */

export interface StreamEvent {
  readonly name: string | undefined;
  /** As they came, with the blank line that ends it. */
  readonly bytes: Buffer;
}

/** What the API sends before it has anything to say; what has no name is a comment. */
export const preludes: readonly (string | undefined)[] = ["message_start", "ping", undefined];

/** The name of the event that ends a message. */
export const lastEvent = "message_stop";

export class EventCutter {
  #begun: Buffer = Buffer.alloc(0);

  /** The events that `chunk` completes. */
  take(chunk: Buffer): StreamEvent[] {
    const bytes = this.#begun.length === 0 ? chunk : Buffer.concat([this.#begun, chunk]);
    const text = bytes.toString("latin1"); // One character a byte.
    const events: StreamEvent[] = [];
    let end = 0;
    for (const { index, 0: blank } of text.matchAll(/\r?\n\r?\n/g)) {
      const next = index + blank.length;
      const name = /^event: ?(.*)$/m.exec(text.slice(end, index))?.[1]?.trimEnd();
      events.push({ name, bytes: bytes.subarray(end, next) });
      end = next;
    }
    this.#begun = bytes.subarray(end);
    return events;
  }
}

/** The data of an event, its lines joined. */
export function dataOf({ bytes }: StreamEvent): string {
  return [...bytes.toString().matchAll(/^data: ?(.*)$/gm)].map(([, line]) => line).join("\n");
}

export function eventBytes(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}
