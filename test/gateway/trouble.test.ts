/** What the gateway makes of an API in trouble, over real connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { systemClock } from "../../src/clock.ts";
import {
  type GatewayOptions,
  type Hold,
  type ModelRequest,
  startGateway,
} from "../../src/gateway/gateway.ts";
import type { Trouble } from "../../src/gateway/line.ts";
import { silent } from "../../src/log.ts";
import { all, body, errorOf, events, pending, post, streamed, textOf } from "../offline/client.ts";
import { eventually } from "../support/eventually.ts";

/** What the API does with one request. */
type Play = (response: ServerResponse, request: IncomingMessage) => unknown;

const event = (type: string, fields: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const prelude = event("message_start", { message: { usage: { input_tokens: 1 } } }) + event("ping");
const begun =
  prelude +
  event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }) +
  event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "hel" } });
const whole = `${begun}${event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "lo" } })}${event("message_stop")}`;

const stream =
  (bytes: string, after: (response: ServerResponse) => unknown = (response) => response.end()): Play =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "request-id": "req_1" });
    response.write(bytes, () => after(response));
  };
const answer: Play = stream(whole);
const silence = () => {};
const fails =
  (status: number, type: string, headers: Record<string, string> = {}): Play =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ type: "error", error: { type, message: `words about ${type}` } }));
  };
const overloaded = fails(529, "overloaded_error");
const errorEvent = (type: string) => event("error", { error: { type, message: "words" } });

/** An API that plays `plays` one after the other, and the last one again and again. */
async function setup(
  t: TestContext,
  plays: Play[],
  times: GatewayOptions["times"] = {},
  clock = systemClock,
) {
  let count = 0;
  const bodies: string[] = [];
  const arrivals: number[] = [];
  const server = createServer(async (request, response) => {
    arrivals.push(performance.now());
    bodies.push(await text(request));
    const play = plays[Math.min(count, plays.length - 1)];
    count += 1;
    play?.(response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const gateway = await startGateway({
    upstream: { baseUrl: `http://127.0.0.1:${address.port}` },
    clock,
    log: silent,
    random: () => 1,
    times: { firstPauseMs: 10, longestPauseMs: 40, paceMs: 10, ...times },
  });
  t.after(async () => {
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });
  const troubles: (Trouble["kind"] | null)[] = [];
  gateway.onTrouble((trouble) => troubles.push(trouble?.kind ?? null));
  const process = (generation: number) => {
    const seen: ModelRequest[] = [];
    const holds: Hold[] = [];
    const { token } = gateway.issue({
      generation,
      onRequest: (request) => seen.push(request),
      onHeld: (hold) => holds.push(hold),
    });
    const ask = (json: unknown, init: RequestInit = {}, path = "/v1/messages") =>
      post(gateway.url + path, json, { ...init, headers: { "x-api-key": token } });
    return { seen, holds, ask, states: () => seen.map(({ state }) => state).join(" ") };
  };
  return { gateway, troubles, bodies, arrivals, process, ...process(1) };
}

const hello = async (response: Response) => assert.equal(textOf(await all(events(response))), "hello");

describe("the process sees nothing of", () => {
  const failures: Record<string, Play> = {
    "an overloaded API": overloaded,
    "a broken API": fails(500, "api_error"),
    "a rate limit of a moment": fails(429, "rate_limit_error", { "retry-after": "0" }),
    "a connection that is cut at once": (response) => response.destroy(),
    "a connection that is cut before the content": stream(prelude, (response) => response.destroy()),
    "a stream that ends before the content": stream(prelude),
    "an error in the stream before the content": stream(prelude + errorEvent("overloaded_error")),
    "a stream that is silent before the content": stream(prelude, silence),
    "an API that does not answer": silence,
  };
  test("an answer that is no stream and breaks off in its middle", async (t) => {
    const json = JSON.stringify({ type: "message", content: [{ type: "text", text: "hello" }] });
    const half: Play = (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": json.length });
      response.write(json.slice(0, 20), () => response.destroy());
    };
    const wholly: Play = (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(json);
    };
    const it = await setup(t, [half, half, wholly]);
    const response = await it.ask(body("Hi"));
    assert.equal(JSON.stringify(await response.json()), json);
    assert.equal(it.bodies.length, 3);
  });
  for (const [what, failure] of Object.entries(failures)) {
    test(what, async (t) => {
      const it = await setup(t, [failure, failure, answer], { stallMs: 200 });
      const response = await it.ask(streamed("x".repeat(100_000)));
      assert.equal(response.headers.get("request-id"), "req_1");
      const got = await all(events(response));
      assert.equal(textOf(got), "hello");
      assert.equal(got.filter(({ type }) => type === "message_start").length, 1);
      assert.equal(new Set(it.bodies).size, 1, "the same request each time");
      assert.equal(it.bodies.length, 3);
      await eventually("its end", () => it.seen.at(-1)?.endedAt);
      assert.equal(it.states(), "asking waiting asking waiting asking answering ended");
      assert.equal(it.seen.at(-1)?.attempts, 3);
      assert.equal(new Set(it.seen.map(({ leftAt }) => leftAt)).size, 1);
      assert.deepEqual(it.troubles, ["transient", null]);
    });
  }
});

describe("a failure of this request alone is passed on as it is, and the line stays open:", () => {
  for (const [status, type] of [
    [400, "invalid_request_error"],
    [404, "not_found_error"],
    [413, "request_too_large"],
  ] as const) {
    test(type, async (t) => {
      const it = await setup(t, [fails(status, type)]);
      const response = await it.ask(streamed("x"));
      assert.equal(response.status, status);
      assert.equal((await errorOf(response)).type, type);
      assert.deepEqual([it.bodies.length, it.troubles], [1, []]);
    });
  }
});

describe("one back-off for all:", () => {
  test("while the API is in trouble one request at a time tries it", async (t) => {
    let now = 0;
    let most = 0;
    const slowly =
      (play: Play): Play =>
      (response, request) => {
        now += 1;
        most = Math.max(most, now);
        setTimeout(() => {
          now -= 1;
          play(response, request);
        }, 5);
      };
    const it = await setup(t, [...Array(5).fill(slowly(overloaded)), answer]);
    const first = it.ask(streamed("first"));
    await eventually("trouble", () => it.gateway.trouble);
    const others = [2, 3, 4, 5].map((generation) => it.process(generation).ask(streamed("x")));
    for (const response of await Promise.all([first, ...others])) await hello(response);
    assert.equal(most, 1);
    assert.equal(it.bodies.length, 5 + 5);
    assert.deepEqual(it.troubles, ["transient", null]);
  });

  test("it is not shorter than the API says", async (t) => {
    const it = await setup(t, [fails(429, "rate_limit_error", { "retry-after": "1" }), answer]);
    await hello(await it.ask(streamed("x")));
    const [first = 0, second = 0] = it.arrivals;
    assert.ok(second - first >= 990, `${second - first} ms`);
  });
});

describe("when patience is over, the last error is passed on", () => {
  test("with its status, as long as nothing was sent", async (t) => {
    const it = await setup(t, [overloaded], { patienceMs: 100 });
    const response = await it.ask(streamed("x"));
    assert.equal(response.status, 529);
    assert.deepEqual(await errorOf(response), {
      type: "overloaded_error",
      message: "words about overloaded_error",
    });
    assert.ok(it.bodies.length > 1);
  });

  test("as an event after pings", async (t) => {
    const it = await setup(t, [overloaded], { patienceMs: 200, quietMs: 20, pingMs: 20 });
    const response = await it.ask(streamed("x"));
    assert.equal(response.status, 200);
    const got = await all(events(response));
    assert.ok(got.filter(({ type }) => type === "ping").length >= 3);
    assert.deepEqual(got.at(-1)?.error, {
      type: "overloaded_error",
      message: "words about overloaded_error",
    });
  });
});

describe("a process that waits", () => {
  test("gets pings before an answer, and the answer after them whole", async (t) => {
    const go = Promise.withResolvers<void>();
    const late: Play = (response, request) => void go.promise.then(() => answer(response, request));
    const it = await setup(t, [late], { quietMs: 20, pingMs: 20 });
    const got = events(await it.ask(streamed("x")));
    for (let n = 0; n < 3; n += 1) assert.equal((await got.next()).value?.type, "ping");
    assert.deepEqual(
      it.seen.map(({ firstByteAt }) => firstByteAt),
      [null],
    );
    go.resolve();
    assert.equal(textOf(await all(got)), "hello");
  });

  test("gets pings between two events of an answer, never within one", async (t) => {
    const half = whole.length - 60;
    const late: Play = stream(whole.slice(0, half), (response) => {
      setTimeout(() => response.end(whole.slice(half)), 200);
    });
    const it = await setup(t, [late], { quietMs: 20, pingMs: 20 });
    const got = await all(events(await it.ask(streamed("x"))));
    assert.equal(textOf(got), "hello");
    assert.ok(got.filter(({ type }) => type === "ping").length > 2);
  });

  test("for an answer that is no stream just waits", async (t) => {
    const json: Play = (response) => void setTimeout(() => response.end("{}"), 200);
    const it = await setup(t, [overloaded, json], { quietMs: 20, pingMs: 20, stallMs: 50 });
    assert.equal(await (await it.ask(body("x"))).text(), "{}");
    assert.equal(it.bodies.length, 2);
  });

  test("and leaves is forgotten", async (t) => {
    const it = await setup(t, [overloaded], { firstPauseMs: 3_600_000, longestPauseMs: 3_600_000 });
    const client = new AbortController();
    const asked = it.ask(streamed("x"), { signal: client.signal });
    await eventually("trouble", () => it.gateway.trouble);
    client.abort();
    await assert.rejects(asked);
    await eventually("its end", () => it.seen.at(-1)?.endedAt);
    assert.equal(it.states(), "asking waiting ended");
    assert.equal(it.bodies.length, 1);
  });
});

describe("in mid-stream", () => {
  const breaks: Record<string, Play> = {
    "a connection that is cut": stream(begun, (response) => response.destroy()),
    "an end without an end": stream(begun),
    "half an event and silence": stream(`${begun}event: content_block_delta\ndata: {"ty`, silence),
    "an error of the API": stream(begun + errorEvent("api_error")),
  };
  for (const [what, play] of Object.entries(breaks)) {
    test(`${what} ends the stream with an error, after all that was whole`, async (t) => {
      const it = await setup(t, [play], { stallMs: 100 });
      const got = await all(events(await it.ask(streamed("x"))));
      assert.equal(textOf(got), "hel");
      assert.equal(got.at(-1)?.error?.type, "overloaded_error");
      assert.equal(it.bodies.length, 1);
      assert.deepEqual(it.troubles, ["transient"]);
    });
  }

  test("an error of the request's own is passed on as it is", async (t) => {
    const it = await setup(t, [stream(begun + errorEvent("invalid_request_error"))]);
    const got = await all(events(await it.ask(streamed("x"))));
    assert.deepEqual(got.at(-1)?.error, { type: "invalid_request_error", message: "words" });
    assert.deepEqual(it.troubles, []);
  });
});

describe("a hold", () => {
  const used = fails(429, "rate_limit_error", { "retry-after": "7200" });

  test("keeps every request until its time, tells each process, and then lets them go on", async (t) => {
    const it = await setup(t, [fails(401, "authentication_error"), answer], { probeEveryMs: 300 });
    const first = it.ask(streamed("x"));
    await eventually("trouble", () => it.gateway.trouble);
    const other = it.process(2);
    const second = other.ask(streamed("x"));
    await eventually("both were told", () => it.holds.length === 1 && other.holds.length === 1);
    assert.deepEqual([other.states(), other.seen[0]?.leftAt], ["waiting", null]);
    assert.deepEqual(
      [other.holds[0]?.kind, other.holds[0]?.message],
      ["authentication", "words about authentication_error"],
    );
    assert.equal(it.bodies.length, 1);
    await hello(await first);
    await hello(await second);
    assert.deepEqual(it.troubles, ["authentication", null]);
    const [refused = 0, probe = 0] = it.arrivals;
    assert.ok(probe - refused >= 290, `${probe - refused} ms`);
  });

  test("of a limit ends at the time that the limit names", async (t) => {
    let later = 0;
    const clock = { ...systemClock, now: () => Date.now() + later };
    const it = await setup(t, [used, answer], {}, clock);
    const first = it.ask(streamed("x"));
    await eventually("the hold", () => it.holds.length === 1);
    later = 7_190_000;
    const second = it.ask(streamed("x"));
    assert.equal(await Promise.race([first, second, pending()]), "pending");
    later = 7_200_000;
    const third = it.ask(streamed("x"));
    for (const response of await Promise.all([first, second, third])) await hello(response);
    assert.deepEqual(it.troubles, ["limit", null]);
  });

  for (const [kind, play] of Object.entries<Play>({
    limit: used,
    authentication: fails(401, "authentication_error"),
    billing: fails(402, "billing_error"),
  })) {
    test(`of the kind ${kind} outlasts patience, and the process hears pings`, async (t) => {
      const it = await setup(t, [play], { patienceMs: 50, quietMs: 20, pingMs: 20 });
      const client = new AbortController();
      const got = events(await it.ask(streamed("x"), { signal: client.signal }));
      for (let n = 0; n < 6; n += 1) assert.equal((await got.next()).value?.type, "ping");
      assert.equal(it.gateway.trouble?.kind, kind);
      assert.deepEqual(
        it.holds.map((hold) => hold.kind),
        [kind],
      );
      assert.equal(it.bodies.length, 1);
      if (kind === "limit") assert.ok(Math.abs((it.holds[0]?.until ?? 0) - Date.now() - 7_200_000) < 5_000);
      client.abort();
      await assert.rejects(all(got));
    });
  }

  test("comes never of counting tokens, which waits behind it like everything", async (t) => {
    const it = await setup(t, [used, used, answer]);
    const count = () => it.ask(body("x"), {}, "/v1/messages/count_tokens");
    assert.equal((await count()).status, 429);
    assert.deepEqual([it.troubles, it.holds], [[], []]);
    const held = it.ask(streamed("x"));
    await eventually("the hold", () => it.gateway.trouble);
    const counted = count();
    assert.equal(await Promise.race([held, counted, pending()]), "pending");
    assert.equal(it.bodies.length, 2);
    assert.equal(it.holds.length, 1);
    await it.gateway.close();
    await assert.rejects(held);
    await assert.rejects(counted);
  });
});
