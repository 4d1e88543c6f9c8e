import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { z } from "zod";
import { userMessages } from "../../src/offline/conversation.ts";
import { type OfflineOptions, startOffline } from "../../src/offline/offline.ts";
import type { RecordedRequest } from "../../src/offline/requests.ts";
import type { Step } from "../../src/offline/step.ts";
import {
  all,
  body,
  errorOf,
  events,
  messageOf,
  pending,
  post,
  readUntil,
  streamed,
  textOf,
} from "./client.ts";

async function offline(t: TestContext, options: OfflineOptions = { keep: Infinity }) {
  const model = await startOffline(options);
  t.after(() => model.close());
  return { ...model, messages: `${model.url}/v1/messages` };
}

const saying = (text: string) => (request: RecordedRequest) => userMessages(request.body).at(-1) === text;

/** Answers `text` by `step`. */
const rule = (text: string, step: Step) => (request: RecordedRequest) =>
  saying(text)(request) ? step : undefined;

describe("the offline model speaks the Messages API", () => {
  test("streaming a message as a sequence of events", async (t) => {
    const { messages } = await offline(t);
    const response = await post(`${messages}?beta=true`, streamed("hello"));
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.match(response.headers.get("request-id") ?? "", /^req_/);
    const got = await all(events(response));
    assert.deepEqual(
      got.map(({ type }) => type).filter((type, i, types) => type !== types[i - 1]),
      [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
      ],
    );
    assert.equal(textOf(got), 'You said: "hello". I remember no earlier messages.');
    assert.ok(got.filter(({ type }) => type === "content_block_delta").length > 1);
    const last = got.at(-2);
    assert.equal(last?.delta?.stop_reason, "end_turn");
    assert.ok((last?.usage?.output_tokens ?? 0) > 0);
    assert.ok((got[0]?.message?.usage.input_tokens ?? 0) > 0);
  });

  test("answering with a whole message when no stream is asked for", async (t) => {
    const { messages } = await offline(t);
    const message = await messageOf(await post(messages, body("hello")));
    assert.deepEqual(message.content, [
      { type: "text", text: 'You said: "hello". I remember no earlier messages.' },
    ]);
    assert.equal(message.stop_reason, "end_turn");
    assert.ok(message.usage.output_tokens > 0);
  });

  test("calling tools", async (t) => {
    const { messages, script } = await offline(t);
    const input = { command: "sleep 3", description: "wait" };
    script(rule("run", { kind: "tool", name: "Bash", input, textBefore: "I will." }));

    const got = await all(events(await post(messages, streamed("run"))));
    assert.deepEqual(
      got.flatMap(({ index, content_block: block }) => (block ? [[index, block.type, block.name]] : [])),
      [
        [0, "text", undefined],
        [1, "tool_use", "Bash"],
      ],
    );
    assert.deepEqual(JSON.parse(got.map(({ delta }) => delta?.partial_json ?? "").join("")), input);
    assert.equal(got.at(-2)?.delta?.stop_reason, "tool_use");

    const message = await messageOf(await post(messages, body("run")));
    assert.deepEqual(
      message.content.map(({ type, input }) => [type, input]),
      [
        ["text", undefined],
        ["tool_use", input],
      ],
    );
    assert.equal(message.stop_reason, "tool_use");
  });

  test("counting tokens by the length of the text, not of an image", async (t) => {
    const { url } = await offline(t);
    const count = async (content: unknown): Promise<number> => {
      const response = await post(`${url}/v1/messages/count_tokens?beta=true`, {
        model: "claude-sonnet-5-5",
        messages: [{ role: "user", content }],
      });
      return z.object({ input_tokens: z.number() }).parse(await response.json()).input_tokens;
    };
    const image = (data: string) => [
      { type: "image", source: { type: "base64", media_type: "image/png", data } },
    ];
    assert.equal((await count("x".repeat(4_000))) - (await count("")), 1_000);
    assert.equal(await count(image("x".repeat(4_000))), await count(image("")));
  });

  test("refusing what is no request, in the shape of the API's errors", async (t) => {
    const { url, messages, requests } = await offline(t);
    for (const wrong of ["{", "[]", body("x", { messages: [] }), { messages: "x" }]) {
      const response = await post(messages, wrong);
      assert.equal(response.status, 400);
      assert.equal((await errorOf(response)).type, "invalid_request_error");
    }
    assert.equal((await post(`${url}/v1/other`, body("x"))).status, 404);
    assert.equal((await fetch(messages)).status, 404);
    assert.equal((await fetch(url, { method: "HEAD" })).status, 200);
    assert.deepEqual(requests(), []);
  });

  test("answering from the request alone: other conversations leave no trace", async (t) => {
    const { messages } = await offline(t);
    const ask = async () => (await messageOf(await post(messages, body("What did I say?")))).content;
    const before = await ask();
    await post(messages, body("a secret of somebody else"));
    assert.deepEqual(await ask(), before);
  });
});

describe("a script", () => {
  test("decides by the request's content; the first rule that gives a step wins, until it is taken back", async (t) => {
    const { messages, script } = await offline(t);
    const ask = async (text: string) => (await messageOf(await post(messages, body(text)))).content[0]?.text;
    const takeBack = script(rule("a", { kind: "text", text: "A" }));
    script(rule("b", { kind: "text", text: "B" }));
    script(() => ({ kind: "text", text: "other" }));
    assert.deepEqual(await Promise.all([ask("b"), ask("a"), ask("c")]), ["B", "A", "other"]);
    takeBack();
    assert.equal(await ask("a"), "other");
  });

  test("holds an answer in its middle until it is told to go on", async (t) => {
    const { messages, script } = await offline(t);
    const go = Promise.withResolvers<void>();
    script(rule("x", { kind: "text", text: "abcd", tokens: ["a", "b", "c", "d"], hold: go.promise }));
    const stream = events(await post(messages, streamed("x")));
    await readUntil(stream, "ab");
    const next = stream.next();
    assert.equal(await Promise.race([next, pending()]), "pending");
    go.resolve();
    assert.equal((await next).value?.delta?.text, "c");
    assert.equal(textOf(await all(stream)), "d");
  });

  test("holds an answer of one token before its end", async (t) => {
    const { messages, script } = await offline(t);
    const go = Promise.withResolvers<void>();
    script(rule("x", { kind: "text", text: "short", hold: go.promise }));
    const stream = events(await post(messages, streamed("x")));
    await readUntil(stream, "short");
    const rest = all(stream);
    assert.equal(await Promise.race([rest, pending()]), "pending");
    go.resolve();
    assert.equal((await rest).at(-1)?.type, "message_stop");
  });

  test("holds back a whole answer behind a gate", async (t) => {
    const { messages, script, waitForRequest } = await offline(t);
    const go = Promise.withResolvers<void>();
    script(rule("x", { kind: "gate", until: go.promise, step: { kind: "text", text: "now" } }));
    const answer = post(messages, streamed("x"));
    await waitForRequest(saying("x"));
    assert.equal(await Promise.race([answer, pending()]), "pending");
    go.resolve();
    assert.equal(textOf(await all(events(await answer))), "now");
  });

  test("streams tokens with a delay", async (t) => {
    const { messages, script } = await offline(t);
    script(rule("x", { kind: "text", text: "abc", tokens: ["a", "b", "c"], tokenDelayMs: 20 }));
    const start = performance.now();
    const got = await all(events(await post(messages, streamed("x"))));
    assert.deepEqual(
      got.flatMap(({ delta }) => delta?.text ?? []),
      ["a", "b", "c"],
    );
    assert.ok(performance.now() - start >= 38);
  });

  test("ends when the client leaves between two tokens", async (t) => {
    const { messages, script, requests } = await offline(t);
    const never = new Promise(() => {});
    script(rule("delay", { kind: "text", text: "ab", tokens: ["a", "b"], tokenDelayMs: 600_000 }));
    script(rule("hold", { kind: "text", text: "ab", tokens: ["a", "b"], hold: never }));
    for (const text of ["delay", "hold"]) {
      const client = new AbortController();
      const stream = events(await post(messages, streamed(text), { signal: client.signal }));
      await readUntil(stream, "a");
      client.abort();
      await assert.rejects(all(stream));
    }
    assert.deepEqual(await Promise.all(requests().map(({ ended }) => ended)), ["cut", "cut"]);
  });

  test("stops with any reason, or without a word", async (t) => {
    const { messages, script } = await offline(t);
    script(rule("long", { kind: "text", text: "half", stopReason: "max_tokens" }));
    script(rule("silent", { kind: "empty" }));
    assert.equal((await messageOf(await post(messages, body("long")))).stop_reason, "max_tokens");
    assert.deepEqual((await messageOf(await post(messages, body("silent")))).content, []);
  });

  test("answers with any HTTP error and any header", async (t) => {
    const { messages, script } = await offline(t);
    script(() => ({
      kind: "error",
      status: 429,
      type: "rate_limit_error",
      message: "Slow down",
      headers: { "retry-after": "7200" },
    }));
    const response = await post(messages, streamed("x"));
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "7200");
    assert.deepEqual(await response.json(), {
      type: "error",
      error: { type: "rate_limit_error", message: "Slow down" },
      request_id: response.headers.get("request-id"),
    });
  });

  test("breaks a stream with an error event, or fails the request when it asked for none", async (t) => {
    const { messages, script } = await offline(t);
    script(() => ({ kind: "streamError", text: "half", type: "overloaded_error" }));
    const got = await all(events(await post(messages, streamed("x"))));
    assert.equal(textOf(got), "half");
    assert.equal(got.at(-1)?.error?.type, "overloaded_error");
    assert.equal((await post(messages, body("x"))).status, 529);
  });

  test("hangs until the client gives up", async (t) => {
    const { messages, script, waitForRequest } = await offline(t);
    script(() => ({ kind: "hang" }));
    const client = new AbortController();
    const answer = post(messages, streamed("x"), { signal: client.signal });
    const request = await waitForRequest(saying("x"));
    assert.equal(await Promise.race([answer, pending()]), "pending");
    client.abort();
    await assert.rejects(answer);
    assert.equal(await request.ended, "cut");
  });

  test("stalls after some text until the client gives up", async (t) => {
    const { messages, script, waitForRequest } = await offline(t);
    script(() => ({ kind: "stall", text: "half" }));
    const client = new AbortController();
    const stream = events(await post(messages, streamed("x"), { signal: client.signal }));
    await readUntil(stream, "half");
    const next = stream.next();
    assert.equal(await Promise.race([next, pending()]), "pending");
    client.abort();
    await assert.rejects(next);
    assert.equal(await (await waitForRequest(saying("x"))).ended, "cut");
  });

  test("closes the socket, at once or in mid-stream", async (t) => {
    const { messages, script, requests } = await offline(t);
    script(rule("before", { kind: "reset" }));
    script(rule("after", { kind: "reset", afterText: "half" }));
    await assert.rejects(post(messages, streamed("before")));
    const stream = events(await post(messages, streamed("after")));
    await readUntil(stream, "half");
    await assert.rejects(all(stream));
    assert.deepEqual(await Promise.all(requests().map(({ ended }) => ended)), ["cut", "cut"]);
  });

  test("that throws is an answer of 500, not the end of the model", async (t) => {
    const { messages, script } = await offline(t);
    script(() => assert.fail("not expected"));
    const response = await post(messages, body("x"));
    assert.equal(response.status, 500);
    assert.match((await errorOf(response)).message, /not expected/);
  });
});

describe("requests", () => {
  test("are recorded with path, headers, body and end", async (t) => {
    const { url, messages, requests, waitForRequest } = await offline(t);
    const coming = waitForRequest(saying("two"));
    await post(`${messages}?beta=true`, body("one"), { headers: { "x-api-key": "key" } });
    await post(`${url}/v1/messages/count_tokens`, body("two"));
    const [one, two] = requests();
    assert.deepEqual(
      [one?.n, one?.kind, one?.path, one?.headers["x-api-key"]],
      [1, "messages", "/v1/messages?beta=true", "key"],
    );
    assert.deepEqual([two?.n, two?.kind], [2, "count_tokens"]);
    assert.equal(await one?.ended, "answered");
    assert.equal(await coming, two);
    assert.equal(await waitForRequest(saying("one")), one);
  });

  test("are kept as many as asked for, the newest; none by default", async (t) => {
    const few = await offline(t, { keep: 2 });
    const none = await offline(t, {});
    for (const text of ["one", "two", "three"]) {
      await post(few.messages, body(text));
      await post(none.messages, body(text));
    }
    assert.deepEqual(
      few.requests().map(({ body }) => userMessages(body)),
      [["two"], ["three"]],
    );
    assert.deepEqual(none.requests(), []);
  });
});

test("closing the model ends what hangs", async () => {
  const model = await startOffline();
  model.script(() => ({ kind: "hang" }));
  const request = model.waitForRequest(() => true);
  const answer = post(`${model.url}/v1/messages`, body("x"));
  const { ended } = await request;
  await Promise.all([model.close(), assert.rejects(answer)]);
  assert.equal(await ended, "cut");
});
