import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import type { OutboundReply, SendResult } from "../../src/channels/index.ts";
import { connectMs, Webhook, webhookSchema } from "../../src/channels/webhook.ts";
import { ManualClock } from "../sessions/manual-clock.ts";
import { within } from "../support/eventually.ts";

const secret = "a secret of the two";
const never = new AbortController().signal;

const reply: OutboundReply = {
  id: "0198a6c2-0000-7000-8000-000000000001",
  chatId: "crm:42",
  kind: "answer",
  text: 'Grüße — 你好 🎉\n"quoted"',
  answers: ["0198a6c2-0000-7000-8000-000000000000"],
  route: { thread: [1, null] },
  createdAt: "2026-01-02T03:04:05.678Z",
  attempt: 3,
  mayBeDouble: false,
};

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return `127.0.0.1:${address.port}`;
}

/** A real server in the place of the receiver. */
async function receiver(
  t: TestContext,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handle);
  t.after(() => server.closeAllConnections());
  return `http://${await listening(t, server)}/replies?from=switchboard`;
}

function webhook(url: string, clock = new ManualClock()): Webhook {
  return new Webhook("crm", webhookSchema.parse({ type: "webhook", url, secret }), clock);
}

function send(url: string, clock?: ManualClock, signal = never): Promise<SendResult> {
  return within("the attempt's end", webhook(url, clock).send(reply, reply.id, signal));
}

describe("a webhook", () => {
  it("gets the reply as JSON, with its key and a signature that only the two can make", async (t) => {
    const clock = new ManualClock();
    clock.advance(1_800_000_000_999);
    const got = Promise.withResolvers<{ request: IncomingMessage; body: string }>();
    const url = await receiver(t, async (request, response) => {
      got.resolve({ request, body: await text(request) });
      response.end();
    });
    assert.deepEqual(await send(url, clock), { kind: "sent" });

    const { request, body } = await got.promise;
    assert.deepEqual([request.method, request.url], ["POST", "/replies?from=switchboard"]);
    assert.deepEqual(JSON.parse(body), { reply });
    const { headers } = request;
    assert.equal(headers["content-type"], "application/json");
    assert.equal(headers["idempotency-key"], reply.id);
    assert.equal(headers["x-switchboard-timestamp"], "1800000000");
    const signed = createHmac("sha256", secret).update(`1800000000.${body}`).digest("hex");
    assert.equal(headers["x-switchboard-signature"], `sha256=${signed}`);
    assert.equal(clock.timers, 0);
  });

  const statuses: Array<[status: number, kind: "sent" | "again" | "never"]> = [
    [200, "sent"],
    [202, "sent"],
    [204, "sent"],
    [409, "sent"],
    [301, "again"],
    [408, "again"],
    [425, "again"],
    [429, "again"],
    [500, "again"],
    [503, "again"],
    [400, "never"],
    [401, "never"],
    [404, "never"],
    [410, "never"],
    [422, "never"],
  ];
  it("tells by its status whether it has the reply, may take it later, or never will", async (t) => {
    let status = 0;
    const url = await receiver(t, (_, response) => response.writeHead(status, { location: "/" }).end("why"));
    for (const [each, kind] of statuses) {
      status = each;
      const reason = `The webhook answered with status ${status}.`;
      const expected = {
        sent: { kind: "sent" },
        again: { kind: "refused", reason, retry: true, afterMs: 0 },
        never: { kind: "refused", reason, retry: false },
      }[kind];
      assert.deepEqual(await send(url), expected, `${status}`);
    }
  });

  it("says when it may be called again, in seconds or by a date", async (t) => {
    const clock = new ManualClock();
    clock.advance(Date.parse("2026-01-02T00:00:00Z"));
    const waits: Array<[header: string, ms: number]> = [
      ["120", 120_000],
      ["Fri, 02 Jan 2026 00:00:30 GMT", 30_000],
      ["Thu, 01 Jan 2026 00:00:00 GMT", 0],
      ["soon", 0],
      ["-5", 0],
      ["9".repeat(400), 0],
    ];
    let header = "";
    const url = await receiver(t, (_, response) => response.writeHead(429, { "retry-after": header }).end());
    for (const [each, ms] of waits) {
      header = each;
      const result = await send(url, clock);
      assert.ok(result.kind === "refused");
      assert.equal(result.afterMs, ms, header);
    }
  });

  it("that has answered is not waited for any longer, however long its body is", async (t) => {
    const closed = Promise.withResolvers<void>();
    const url = await receiver(t, (_, response) => {
      response.on("close", closed.resolve);
      response.writeHead(200).write("more follows");
    });
    assert.deepEqual(await send(url), { kind: "sent" });
    await within("the connection's end", closed.promise);
  });

  it("that cannot be connected to has certainly not got the reply", async (t) => {
    const server = createTcpServer();
    const address = await listening(t, server);
    server.close();
    await once(server, "close");
    const result = await send(`http://${address}/`);
    assert.ok(result.kind === "refused" && result.retry);
    assert.match(result.reason, /ECONNREFUSED/);
  });

  it("whose connection does not come about in time has certainly not got the reply", async (t) => {
    const clock = new ManualClock();
    // Accepts the connection, and never answers to the TLS handshake.
    const server = createTcpServer((socket) => {
      t.after(() => socket.destroy());
      clock.advance(connectMs);
    });
    const result = await send(`https://${await listening(t, server)}/`, clock);
    assert.deepEqual(result, {
      kind: "refused",
      reason: "The webhook could not be called: no connection within 10 s.",
      retry: true,
    });
  });

  it("that is no speaker of TLS has certainly not got the reply", async (t) => {
    const url = await receiver(t, () => assert.fail("the reply was sent"));
    const result = await send(url.replace("http:", "https:"));
    assert.ok(result.kind === "refused" && result.retry);
  });

  it("whose connection breaks before its answer may have got the reply", async (t) => {
    const url = await receiver(t, async (request) => {
      await text(request);
      request.socket.destroy();
    });
    assert.equal((await send(url)).kind, "unknown");
  });

  it("that does not answer before the attempt is over may have got the reply", async (t) => {
    const attempt = new AbortController();
    const url = await receiver(t, () => attempt.abort());
    assert.equal((await send(url, new ManualClock(), attempt.signal)).kind, "unknown");
  });
});
