import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { type Face, serve, token } from "./face.ts";
import { MemorySwitchboard } from "./memory.ts";

describe("the server", () => {
  let face: Face;
  const textBytes = 1000;
  const maxBodyBytes = textBytes * 6 + 64 * 1024;
  before(async () => {
    face = await serve(new MemorySwitchboard(), { textBytes, requestTimeoutMs: 600 });
  });
  after(() => face.end());

  const head = (more: string) =>
    `POST /v1/chats/alice/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${more}\r\n\r\n`;

  /** All that the server says until it hangs up. */
  function talk(write: (socket: Socket) => void): Promise<string> {
    return new Promise((resolve) => {
      let said = "";
      const socket = connect(Number(new URL(face.url).port), "127.0.0.1", () => write(socket));
      socket.on("data", (chunk) => {
        said += chunk;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(said));
    });
  }

  it("refuses a body that says it is too large before it has come", async () => {
    const said = await talk((socket) => socket.write(head(`Content-Length: ${maxBodyBytes + 1}`)));
    assert.match(said, /^HTTP\/1.1 413 /);
    assert.match(said, /"code":"too_large"/);
  });

  it("refuses a body of untold length as soon as it is too large", async () => {
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    let sent = 0;
    const said = await talk((socket) => {
      socket.write(head("Transfer-Encoding: chunked"));
      const pour = () => {
        if (socket.destroyed || socket.writableEnded || sent > 100) return;
        sent++;
        socket.write(chunk, pour);
      };
      pour();
      socket.once("data", () => socket.end());
    });
    assert.match(said, /^HTTP\/1.1 413 /);
    assert.ok(sent < 100, `took ${sent} pieces of 64 KiB`);
  });

  it("reads a body of untold length that is not too large", async () => {
    const body = JSON.stringify({ text: "Hello" });
    const said = await talk((socket) => {
      socket.write(head("Transfer-Encoding: chunked\r\nConnection: close"));
      socket.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    });
    assert.match(said, /^HTTP\/1.1 202 /);
  });

  it("hangs up on a request that does not come to its end", async () => {
    const slowHead = await talk((socket) => socket.write("GET /healthz HTTP/1.1\r\nHost: loc"));
    assert.match(slowHead, /^HTTP\/1.1 408 /);
    const slowBody = await talk((socket) => socket.write(`${head("Content-Length: 100")}{"text"`));
    assert.doesNotMatch(slowBody, /^HTTP\/1.1 2/);
  });

  it("lets an answer take longer than a request may", async () => {
    const { status } = await face.call("POST", "/v1/chats/alice/messages?wait=1", {
      json: { text: "Hello" },
    });
    assert.equal(status, 202);
  });

  it("answers no more when it has closed", async () => {
    const other = await serve(new MemorySwitchboard());
    await other.end();
    await assert.rejects(other.call("GET", "/healthz"));
  });
});
