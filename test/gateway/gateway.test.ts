import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
} from "node:http";
import { createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { systemClock } from "../../src/clock.ts";
import { type Gateway, type ModelRequest, startGateway } from "../../src/gateway/gateway.ts";
import type { UpstreamOptions } from "../../src/gateway/upstream.ts";
import { silent } from "../../src/log.ts";
import { startOffline } from "../../src/offline/offline.ts";
import { all, body, errorOf, events, pending, post, readUntil, streamed, textOf } from "../offline/client.ts";

async function listening(server: TcpServer): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `127.0.0.1:${address.port}`;
}

/** A real HTTP server in the place of the model's API. */
async function upstream(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://${await listening(server)}`;
}

/** Its patience is short: what is in trouble here stays in it. */
async function gateway(t: TestContext, upstream: UpstreamOptions) {
  const times = { firstPauseMs: 5, patienceMs: 50 };
  const gateway = await startGateway({ upstream, clock: systemClock, log: silent, times });
  t.after(() => gateway.close());
  return { gateway, ...issued(gateway) };
}

/** A process's view of the gateway. */
function issued(gateway: Gateway, generation = 1) {
  const seen: ModelRequest[] = [];
  const { token, revoke } = gateway.issue({ generation, onRequest: (request) => seen.push(request) });
  return {
    seen,
    token,
    revoke,
    post: (path: string, json: unknown, init: RequestInit = {}) =>
      post(gateway.url + path, json, { ...init, headers: { "x-api-key": token, ...init.headers } }),
    /** A request that is not finished yet: its body is the caller's to write. */
    open: (path: string, options: RequestOptions = {}) =>
      httpRequest(gateway.url + path, {
        method: "POST",
        agent: false,
        ...options,
        headers: { "x-api-key": token, ...options.headers },
      }),
  };
}

async function response(request: ReturnType<typeof httpRequest>): Promise<IncomingMessage> {
  const [response] = await once(request, "response");
  return response;
}

describe("the gateway lets in", () => {
  test("only the tokens that it issued, until they are revoked", async (t) => {
    let passed = 0;
    const baseUrl = await upstream(t, (_, response) => {
      passed += 1;
      response.end("{}");
    });
    const { gateway: it, token, revoke } = await gateway(t, { baseUrl });
    const other = issued(it, 2);
    const status = async (headers: Record<string, string>) => {
      const response = await post(`${it.url}/v1/messages`, body("x"), { headers });
      if (response.status === 401) assert.equal((await errorOf(response)).type, "authentication_error");
      else await response.text();
      return response.status;
    };
    assert.equal(await status({}), 401);
    assert.equal(await status({ "x-api-key": "sk-ant-guess" }), 401);
    assert.equal(await status({ authorization: "Bearer" }), 401);
    assert.equal(passed, 0);
    assert.equal(await status({ "x-api-key": token }), 200);
    assert.equal(await status({ authorization: `Bearer ${token}` }), 200);
    revoke();
    assert.equal(await status({ "x-api-key": token }), 401);
    assert.equal(await status({ "x-api-key": other.token }), 200);
    assert.notEqual(token, other.token);
  });

  test("only what is below /v1/, however it is spelled", async (t) => {
    const paths: (string | undefined)[] = [];
    const baseUrl = await upstream(t, (request, response) => {
      paths.push(request.url);
      response.end();
    });
    const { open } = await gateway(t, { baseUrl: `${baseUrl}/prefix/` });
    const status = async (path: string) => {
      const answer = await response(open("", { path }).end());
      answer.resume();
      return answer.statusCode;
    };
    for (const path of [
      "/",
      "/v1",
      "/v2/messages",
      "/v1/../admin",
      "/v1/%2e%2e/admin",
      "//",
      "http://x/admin",
    ])
      assert.equal(await status(path), 404, path);
    assert.deepEqual(paths, []);
    assert.equal(await status("/v1/models?beta=true&x=%20a"), 200);
    assert.equal(await status("/v1/x/../messages"), 200);
    assert.deepEqual(paths, ["/prefix/v1/models?beta=true&x=%20a", "/prefix/v1/messages"]);
  });
});

describe("the gateway passes on", () => {
  test("the real credential in the place of the process's token, or none", async (t) => {
    const headers: IncomingMessage["headers"][] = [];
    const baseUrl = await upstream(t, (request, response) => {
      headers.push(request.headers);
      response.end();
    });
    for (const credential of [{ apiKey: "real-key" }, { authToken: "real-token" }, {}]) {
      const { post, token } = await gateway(t, { baseUrl, ...credential });
      await post("/v1/messages", body("x"), { headers: { authorization: `Bearer ${token}` } });
      assert.doesNotMatch(JSON.stringify(headers.at(-1)), new RegExp(token));
    }
    assert.deepEqual(
      headers.map((seen) => [seen["x-api-key"], seen.authorization]),
      [
        ["real-key", undefined],
        [undefined, "Bearer real-token"],
        [undefined, undefined],
      ],
    );
  });

  test("headers of both sides, but those that concern one connection", async (t) => {
    const seen = Promise.withResolvers<IncomingMessage["headers"]>();
    const baseUrl = await upstream(t, (request, response) => {
      seen.resolve(request.headers);
      response.writeHead(418, {
        "request-id": "req_1",
        "retry-after": "7",
        "anthropic-ratelimit-requests-remaining": "3",
        connection: "keep-alive, x-hop",
        "x-hop": "1",
        "proxy-authenticate": "Basic",
      });
      response.end();
    });
    const { open } = await gateway(t, { baseUrl });
    const answer = await response(
      open("/v1/messages", {
        headers: {
          "anthropic-version": "2023-06-01",
          "accept-encoding": "gzip, br, zstd",
          connection: "close, x-hop",
          "x-hop": "1",
          te: "trailers",
          "proxy-authorization": "Basic eA==",
        },
      }).end("{}"),
    );
    answer.resume();
    const { host, connection, ...sent } = await seen.promise;
    assert.equal(`http://${host}`, baseUrl);
    assert.deepEqual(sent, {
      "anthropic-version": "2023-06-01",
      "accept-encoding": "identity",
      "content-length": "2",
    });
    assert.equal(connection, "keep-alive");
    assert.equal(answer.statusCode, 418);
    const { date, connection: hop, "transfer-encoding": framing, ...got } = answer.headers;
    assert.deepEqual(got, {
      "request-id": "req_1",
      "retry-after": "7",
      "anthropic-ratelimit-requests-remaining": "3",
    });
    assert.ok(!hop?.includes("x-hop"));
  });

  test("a compressed body as it is", async (t) => {
    const packed = gzipSync("hello ".repeat(1_000));
    const baseUrl = await upstream(t, (_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(packed);
    });
    const { open } = await gateway(t, { baseUrl });
    const answer = await response(open("/v1/messages").end());
    assert.equal(answer.headers["content-encoding"], "gzip");
    assert.deepEqual(await buffer(answer), packed);
  });

  test("the first byte of a response before there is a second", async (t) => {
    const go = Promise.withResolvers<void>();
    const baseUrl = await upstream(t, async (_, response) => {
      response.flushHeaders();
      await go.promise;
      response.write("a");
    });
    const { open } = await gateway(t, { baseUrl });
    const answer = await response(open("/v1/messages").end());
    go.resolve();
    const [chunk] = await once(answer, "data");
    assert.equal(String(chunk), "a");
  });

  test("bodies of up to 32 MiB, both ways, and refuses larger ones in the API's shape", async (t) => {
    const baseUrl = await upstream(t, (request, response) => void request.pipe(response));
    const { open, seen } = await gateway(t, { baseUrl });
    const large = Buffer.alloc(32 * 2 ** 20, "0123456789abcdef\n");
    const answer = await response(open("/v1/messages").end(large));
    const hash = (data: Buffer) => createHash("sha256").update(data).digest("hex");
    assert.equal(hash(await buffer(answer)), hash(large));
    await ended(seen, 1);
    const refused = await response(open("/v1/messages").end(Buffer.concat([large, Buffer.from("x")])));
    assert.equal(refused.statusCode, 413);
    assert.equal(JSON.parse(await text(refused)).error.type, "request_too_large");
    assert.equal(seen.at(-1)?.n, 1, "it was no request to the model");
  });

  test("a body with its bounds, so that it cannot pass for a second request", async (t) => {
    const seen: string[] = [];
    const baseUrl = await upstream(t, async (request, response) => {
      seen.push(`${request.method} ${request.url}`);
      await text(request);
      response.end();
    });
    const { open } = await gateway(t, { baseUrl });
    const hidden = "GET /v1/hidden HTTP/1.1\r\nhost: x\r\n\r\n";
    for (const headers of [
      { connection: "content-length", "content-length": String(hidden.length) },
      { "transfer-encoding": "chunked" },
    ])
      (await response(open("/v1/models", { method: "GET", headers }).end(hidden))).resume();
    assert.deepEqual(seen, ["GET /v1/models", "GET /v1/models"]);
  });

  test("what a model says, over TLS where the base URL says https", async (t) => {
    const first = Promise.withResolvers<number | undefined>();
    const tcp = createTcpServer((socket) => {
      socket.once("data", (chunk) => {
        first.resolve(chunk[0]);
        socket.destroy();
      });
    });
    t.after(() => tcp.close());
    const { post } = await gateway(t, { baseUrl: `https://${await listening(tcp)}` });
    assert.equal((await post("/v1/messages", body("x"))).status, 502);
    assert.equal(await first.promise, 0x16, "a TLS handshake");
    await assert.rejects(gateway(t, { baseUrl: "ftp://x" }), TypeError);
  });
});

test("the tokens of a process that only warms up are counted for nobody: the API is not asked", async (t) => {
  const asked: string[] = [];
  const url = await upstream(t, ({ url = "" }, response) => {
    asked.push(url);
    response.end(JSON.stringify({ input_tokens: 1000 }));
  });
  const { gateway: it } = await gateway(t, { baseUrl: url });
  let isWarming = true;
  const { token } = it.issue({ generation: 1, isWarming: () => isWarming });
  const ask = async (path: string) => {
    const answer = await post(it.url + path, body("x"), { headers: { "x-api-key": token } });
    return await answer.json();
  };
  assert.deepEqual(await ask("/v1/messages/count_tokens?beta=true"), { input_tokens: 1 });
  assert.deepEqual(asked, []);
  await ask("/v1/messages");
  isWarming = false;
  assert.deepEqual(await ask("/v1/messages/count_tokens?beta=true"), { input_tokens: 1000 });
  assert.deepEqual(asked, ["/v1/messages", "/v1/messages/count_tokens?beta=true"]);
});

describe("when one side breaks off", () => {
  test("a client that leaves takes the upstream request with it", async (t) => {
    const model = await startOffline({ keep: Infinity });
    t.after(() => model.close());
    model.script(() => ({ kind: "stall", text: "half" }));
    const { post, seen } = await gateway(t, { baseUrl: model.url });
    const client = new AbortController();
    const stream = events(await post("/v1/messages", streamed("x"), { signal: client.signal }));
    await readUntil(stream, "half");
    client.abort();
    await assert.rejects(all(stream));
    assert.equal(await model.requests()[0]?.ended, "cut");
    await ended(seen, 1);
    assert.equal(seen.at(-1)?.status, 200);
  });

  test("also before the response has begun", async (t) => {
    const model = await startOffline();
    t.after(() => model.close());
    model.script(() => ({ kind: "hang" }));
    const arrived = model.waitForRequest(() => true);
    const { post, seen } = await gateway(t, { baseUrl: model.url });
    const client = new AbortController();
    const answer = post("/v1/messages", body("x"), { signal: client.signal });
    const request = await arrived;
    client.abort();
    await assert.rejects(answer);
    assert.equal(await request.ended, "cut");
    await ended(seen, 1);
    assert.equal(seen.at(-1)?.status, null);
  });

  test("an upstream that answers before it has read the whole request is heard", async (t) => {
    const baseUrl = await upstream(t, (_, response) => void response.writeHead(413).end("too large"));
    const { open } = await gateway(t, { baseUrl });
    const answer = await response(open("/v1/messages").end(Buffer.alloc(20_000_000)));
    assert.equal(answer.statusCode, 413);
    assert.equal(await text(answer), "too large");
  });

  test("an upstream that cannot be reached until patience is over is a 502 in the API's shape", async (t) => {
    const tcp = createTcpServer();
    const baseUrl = `http://${await listening(tcp)}`;
    tcp.close();
    await once(tcp, "close");
    const { post, seen } = await gateway(t, { baseUrl });
    const response = await post("/v1/messages", body("x".repeat(5_000_000)));
    assert.equal(response.status, 502);
    const error = await errorOf(response);
    assert.equal(error.type, "api_error");
    assert.match(error.message, /ECONNREFUSED/);
    await ended(seen, 1);
    assert.deepEqual([seen.at(-1)?.status, seen.at(-1)?.firstByteAt], [null, null]);
    assert.ok((seen.at(-1)?.attempts ?? 0) > 1);
  });

  test("an upstream that closes before its headers is a 502, in mid-stream an error that ends the stream", async (t) => {
    const model = await startOffline();
    t.after(() => model.close());
    model.script(({ body }) => (body.stream ? { kind: "stall", text: "half" } : { kind: "reset" }));
    const { post } = await gateway(t, { baseUrl: model.url });
    const response = await post("/v1/messages", body("x"));
    assert.equal(response.status, 502);
    assert.match((await errorOf(response)).message, /ECONNRESET/);
    // Another one: the line of the first is in trouble.
    const other = await gateway(t, { baseUrl: model.url });
    const stream = events(await other.post("/v1/messages", streamed("x")));
    await readUntil(stream, "half");
    await model.close();
    assert.deepEqual(
      (await all(stream)).map(({ error }) => error?.type),
      ["overloaded_error"],
    );
  });

  test("closing the gateway ends every connection on both sides", async (t) => {
    const model = await startOffline();
    t.after(() => model.close());
    model.script(() => ({ kind: "stall", text: "half" }));
    const { gateway: it, post } = await gateway(t, { baseUrl: model.url });
    const request = model.waitForRequest(() => true);
    const stream = events(await post("/v1/messages", streamed("x")));
    await readUntil(stream, "half");
    await it.close();
    await assert.rejects(all(stream));
    assert.equal(await (await request).ended, "cut");
    await assert.rejects(post("/v1/messages", body("x")));
  });
});

describe("of each request a process's listener learns", () => {
  test("that it left, and when its first byte and its end came", async (t) => {
    const model = await startOffline();
    t.after(() => model.close());
    const go = Promise.withResolvers<void>();
    model.script(() => ({ kind: "gate", until: go.promise, step: { kind: "text", text: "hello" } }));
    const arrived = model.waitForRequest(() => true);
    const { post, seen } = await gateway(t, { baseUrl: model.url });
    const before = Date.now();
    const response = post("/v1/messages?beta=true", streamed("x"));
    const { at } = await arrived;
    assert.equal(await Promise.race([response, pending()]), "pending");
    const [left] = seen;
    assert.ok(left?.leftAt && left.leftAt >= before && left.leftAt <= at);
    assert.deepEqual(seen, [
      {
        n: 1,
        generation: 1,
        kind: "messages",
        state: "asking",
        attempts: 1,
        leftAt: left.leftAt,
        firstByteAt: null,
        status: null,
        endedAt: null,
      },
    ]);
    const gone = Date.now();
    go.resolve();
    assert.equal(textOf(await all(events(await response))), "hello");
    await ended(seen, 1);
    assert.equal(seen.length, 3);
    const [, begun, done] = seen;
    assert.ok(begun?.endedAt === null && begun.firstByteAt === done?.firstByteAt);
    const { firstByteAt, endedAt, ...rest } = done ?? assert.fail();
    assert.deepEqual([begun?.state, rest.state], ["answering", "ended"]);
    assert.deepEqual({ ...rest, firstByteAt: null, endedAt: null }, { ...left, state: "ended", status: 200 });
    assert.ok(firstByteAt !== null && endedAt !== null && gone <= firstByteAt && firstByteAt <= endedAt);
  });

  test("what runs the model as waiting until the process may ask, and only that", async (t) => {
    const model = await startOffline({ keep: Infinity });
    t.after(() => model.close());
    const { gateway: it } = await gateway(t, { baseUrl: model.url });
    const admission = Promise.withResolvers<void>();
    const seen: ModelRequest[] = [];
    const { token } = it.issue({
      generation: 1,
      admitted: admission.promise,
      onRequest: (request) => seen.push(request),
    });
    const ask = (path: string, init: RequestInit = {}) =>
      post(it.url + path, body("x"), { ...init, headers: { "x-api-key": token } });
    const asked = ask("/v1/messages").then(messageRead);
    const left = new AbortController();
    const abandoned = ask("/v1/messages", { signal: left.signal });
    await (await ask("/v1/messages/count_tokens")).text();
    await told(seen, 2, ({ state }) => state === "waiting");
    left.abort();
    await assert.rejects(abandoned);
    await ended(seen, 2);
    assert.deepEqual(
      model.requests().map(({ kind }) => kind),
      ["count_tokens"],
    );
    admission.resolve();
    assert.match(await asked, /You said/);
    const states = Map.groupBy(seen, ({ n, kind }) => `${kind} ${n}`);
    assert.deepEqual(
      [...states]
        .map(([request, changes]) => [request.split(" ")[0], ...changes.map(({ state }) => state)])
        .sort(),
      [
        ["count_tokens", "asking", "answering", "ended"],
        ["messages", "waiting", "asking", "answering", "ended"],
        ["messages", "waiting", "ended"],
      ],
    );
  });

  test("its own and no others, each with its kind", async (t) => {
    const model = await startOffline();
    t.after(() => model.close());
    const { gateway: it, ...one } = await gateway(t, { baseUrl: model.url });
    const two = issued(it, 2);
    await Promise.all([
      one.post("/v1/messages", body("x")).then(messageRead),
      two.post("/v1/messages/count_tokens?beta=true", body("x")).then(messageRead),
      two.post("/v1/other", body("x")).then(messageRead),
      post(`${it.url}/v1/messages`, body("x")).then(messageRead),
    ]);
    await Promise.all([ended(one.seen, 1), ended(two.seen, 2)]);
    const kinds = (seen: ModelRequest[]) =>
      seen.flatMap((r) => (r.endedAt ? [`${r.generation} ${r.kind} ${r.status}`] : []));
    assert.deepEqual(kinds(one.seen), ["1 messages 200"]);
    assert.deepEqual(kinds(two.seen).sort(), ["2 count_tokens 200", "2 other 404"]);
    assert.equal(new Set([...one.seen, ...two.seen].map(({ n }) => n)).size, 3);
  });
});

const messageRead = (response: Response) => response.text();

/** The listener is called when the connection has ended, which the client can see a little earlier. */
function ended(seen: readonly ModelRequest[], count: number): Promise<void> {
  return told(seen, count, ({ endedAt }) => endedAt !== null);
}

async function told(
  seen: readonly ModelRequest[],
  count: number,
  is: (request: ModelRequest) => boolean,
): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (seen.filter(is).length < count) {
    if (Date.now() > deadline) assert.fail("the listener was not called");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("what an answer has used", () => {
  const sse = (name: string, data: object) =>
    `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`;
  const begun = { message: { model: "claude-x", usage: { input_tokens: 10, output_tokens: 1 } } };
  const used = { cacheWriteTokens: 0, cacheWrite1hTokens: 0, cacheReadTokens: 0, webSearches: 0 };

  /** A gateway before an API that answers so, and what its process's answers have used. */
  async function metered(t: TestContext, listener: RequestListener) {
    const { gateway: own } = await gateway(t, { baseUrl: await upstream(t, listener) });
    const told: unknown[] = [];
    const { token } = own.issue({ generation: 1, onUsage: (usage) => told.push(usage) });
    const ask = async () =>
      await (await post(`${own.url}/v1/messages`, body("hi"), { headers: { "x-api-key": token } })).text();
    return { told, ask };
  }

  test("is told when it is over: as its last event says, as it says whole, or as far as it came", async (t) => {
    const answers: Array<[type: string, parts: string[], output: number]> = [
      [
        "text/event-stream",
        [
          sse("message_start", begun),
          sse("content_block_start", {}),
          sse("message_delta", { usage: { output_tokens: 25 } }),
          sse("message_stop", {}),
        ],
        25,
      ],
      [
        "application/json",
        [JSON.stringify({ model: "claude-x", usage: { input_tokens: 10, output_tokens: 4 } })],
        4,
      ],
      ["text/event-stream", [sse("message_start", begun), sse("content_block_start", {})], 1],
    ];
    for (const [type, parts, outputTokens] of answers) {
      const { told, ask } = await metered(t, (_, response) => {
        response.writeHead(200, { "content-type": type });
        for (const part of parts) response.write(part);
        response.end();
      });
      await ask();
      assert.deepEqual(told, [{ model: "claude-x", inputTokens: 10, outputTokens, ...used }]);
    }
  });

  test("is told of each attempt, also of one that another took the place of", async (t) => {
    let attempts = 0;
    const { told, ask } = await metered(t, (_, response) => {
      attempts += 1;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(sse("message_start", begun));
      if (attempts === 1) response.end();
      else response.end(sse("content_block_start", {}) + sse("message_stop", {}));
    });
    await ask();
    assert.deepEqual([attempts, told.length], [2, 2]);
  });
});

test("what may not leave does not, and its process is left without an answer until it goes", async (t) => {
  let asked = 0;
  const baseUrl = await upstream(t, (_, response) => {
    asked += 1;
    response.end("{}");
  });
  const { gateway: own } = await gateway(t, { baseUrl });
  const seen: string[] = [];
  const refused = Promise.withResolvers<void>();
  const { token } = own.issue({
    generation: 1,
    mayLeave: () => {
      refused.resolve();
      return false;
    },
    onRequest: ({ state }) => seen.push(state),
  });
  const leave = new AbortController();
  const init = { headers: { "x-api-key": token } };
  const answer = post(`${own.url}/v1/messages`, body("hi"), { ...init, signal: leave.signal });
  await refused.promise;
  leave.abort();
  await assert.rejects(answer);
  assert.equal((await post(`${own.url}/v1/messages/count_tokens`, body("hi"), init)).status, 200);
  assert.deepEqual([asked, seen.includes("asking"), seen[0]], [1, true, "waiting"]);
});
