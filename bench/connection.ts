/**
 * A connection that is kept and carries one request after the other. Written by hand because callers share the cores
 * with the server that they measure: Node's own client takes five times the CPU.
 */

import { connect, type Socket } from "node:net";

interface Waiting {
  resolve(status: number): void;
  reject(error: Error): void;
}

export class Connection {
  readonly #socket: Socket;
  #waiting: Waiting | null = null;
  #received = "";

  constructor(url: URL) {
    this.#socket = connect(Number(url.port), url.hostname);
    this.#socket.setNoDelay(true).setEncoding("latin1");
    this.#socket.on("data", (text: string) => {
      this.#received += text;
      this.#answer();
    });
    this.#socket.on("error", (error) => this.#waiting?.reject(error));
    this.#socket.on("close", () => this.#waiting?.reject(new Error("the server closed a connection")));
  }

  /** Resolves with the answer's status when all of it has come. `headers`: one a line, in ASCII; so is `body`. */
  post(path: string, headers: string, body: string): Promise<number> {
    return this.#ask(`POST ${path}`, `${headers}content-length: ${body.length}\r\n`, body);
  }

  get(path: string, headers: string): Promise<number> {
    return this.#ask(`GET ${path}`, headers, "");
  }

  /** The server ends connections that nobody has used for some seconds. */
  get isClosed(): boolean {
    return this.#socket.destroyed || this.#socket.readableEnded;
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #ask(what: string, headers: string, body: string): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error("the connection is closed"));
      this.#waiting = { resolve, reject };
      this.#socket.write(`${what} HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}\r\n${body}`);
    });
  }

  #answer(): void {
    const head = this.#received.indexOf("\r\n\r\n");
    if (head === -1) return;
    const length = /\r\ncontent-length: (\d+)\r\n/i.exec(this.#received.slice(0, head + 2))?.[1];
    if (length === undefined) {
      this.#socket.destroy(new Error("an answer without a length"));
      return;
    }
    if (this.#received.length < head + 4 + Number(length)) return;
    const status = Number(this.#received.slice(9, 12));
    this.#received = "";
    this.#waiting?.resolve(status);
    this.#waiting = null;
  }
}
