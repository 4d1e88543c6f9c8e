import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, beforeEach, describe, it } from "node:test";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { eventStream } from "../../src/api/sse.ts";
import type { Clock } from "../../src/clock.ts";
import type { EventView } from "../../src/views.ts";
import { within } from "../support/eventually.ts";
import { type Face, serve, token, until } from "./face.ts";
import { MemorySwitchboard } from "./memory.ts";

const notice = (text: string, chatId = "alice") => ({ type: "notice", chatId, code: "test", text }) as const;

describe("events over HTTP", () => {
  let switchboard: MemorySwitchboard;
  let face: Face;
  const faces: Face[] = [];
  beforeEach(async () => {
    switchboard = new MemorySwitchboard();
    face = await serve(switchboard);
    faces.push(face);
  });
  after(() => Promise.all(faces.map((one) => one.end())));

  interface Stream {
    events: EventSourceMessage[];
    headers: Headers;
    ended: Promise<void>;
    leave(): void;
  }

  async function follow(path: string, headers: Record<string, string> = {}): Promise<Stream> {
    const leaving = new AbortController();
    const response = await fetch(face.url + path, {
      headers: { authorization: `Bearer ${token}`, ...headers },
      signal: leaving.signal,
    });
    assert.equal(response.status, 200);
    const events: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (event) => events.push(event) });
    const decoder = new TextDecoder();
    const read = async () => {
      for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
    };
    const ended = read();
    ended.catch(() => {});
    return { events, headers: response.headers, ended, leave: () => leaving.abort() };
  }
  const texts = ({ events }: Stream) => events.map(({ data }) => JSON.parse(data).text);

  it("tells what happens after the headers have come, with its number and its type", async () => {
    switchboard.append(notice("before"));
    const stream = await follow("/v1/chats/alice/events");
    switchboard.append(notice("one"));
    switchboard.append(notice("of another", "bob"));
    switchboard.append(notice("two"));
    await until(() => stream.events.length === 2);
    assert.deepEqual(texts(stream), ["one", "two"]);
    assert.deepEqual(
      stream.events.map(({ id, event }) => [id, event]),
      [
        ["2", "notice"],
        ["4", "notice"],
      ],
    );
    assert.equal(stream.headers.get("content-type"), "text/event-stream");
    assert.equal(stream.headers.get("cache-control"), "no-store");
    stream.leave();
  });

  it("sends pieces of text without a number, so that nobody goes on from one", async () => {
    const stream = await follow("/v1/chats/alice/events");
    switchboard.piece({ type: "text", chatId: "alice", turnId: "t", offset: 0, text: "Hel" });
    await until(() => stream.events.length === 1);
    assert.deepEqual(stream.events[0]?.id, undefined);
    assert.deepEqual(JSON.parse(stream.events[0]?.data ?? ""), {
      type: "text",
      chatId: "alice",
      turnId: "t",
      offset: 0,
      text: "Hel",
    });
    stream.leave();
  });

  it("leaves out the pieces of text on request", async () => {
    const stream = await follow("/v1/events?text=false");
    switchboard.piece({ type: "text", chatId: "alice", turnId: "t", offset: 0, text: "Hel" });
    switchboard.append(notice("later"));
    await until(() => stream.events.length > 0);
    assert.deepEqual(texts(stream), ["later"]);
    stream.leave();
  });

  it("tells what has happened and ends when it is not to be followed", async () => {
    for (const text of ["1", "2", "3"]) switchboard.append(notice(text));
    switchboard.append(notice("of another", "bob"));
    const all = await follow("/v1/chats/alice/events?follow=false");
    await within("the stream of a chat has ended", all.ended);
    assert.deepEqual(texts(all), ["1", "2", "3"]);
    const rest = await follow("/v1/events?follow=false&after=2");
    await within("the stream of all has ended", rest.ended);
    assert.deepEqual(texts(rest), ["3", "of another"]);
    await until(() => switchboard.following === 0);
  });

  it("goes on after the last event that a client has seen, without gap or double", async () => {
    for (const text of ["1", "2", "3", "4"]) switchboard.append(notice(text));
    const byHeader = await follow("/v1/events", { "last-event-id": "2" });
    const byQuery = await follow("/v1/events?after=3");
    // A client that was cut off asks by the address that it began with.
    const byBoth = await follow("/v1/events?after=0", { "last-event-id": "3" });
    switchboard.append(notice("5"));
    await until(() => byHeader.events.length >= 3 && byQuery.events.length >= 2 && byBoth.events.length >= 2);
    assert.deepEqual([byHeader, byQuery, byBoth].map(texts), [
      ["3", "4", "5"],
      ["4", "5"],
      ["4", "5"],
    ]);
    for (const stream of [byHeader, byQuery, byBoth]) stream.leave();
  });

  it("refuses a position that is no number", async () => {
    for (const id of ["x", "-1", "1.5", "99999999999999999999"]) {
      const { status, body } = await face.call("GET", "/v1/events", { headers: { "last-event-id": id } });
      assert.deepEqual([id, status, body.error.field], [id, 400, "Last-Event-ID"]);
      assert.equal((await face.call("GET", `/v1/events?after=${id}`)).status, 400);
    }
  });

  it("lets go of a client that has gone", async () => {
    const streams = await Promise.all([follow("/v1/events"), follow("/v1/chats/alice/events")]);
    assert.equal(switchboard.following, 2);
    for (const stream of streams) stream.leave();
    await until(() => switchboard.following === 0);
  });

  it("answers HEAD without following anything", async () => {
    const { status, headers } = await face.call("HEAD", "/v1/events");
    assert.deepEqual([status, headers.get("content-type")], [200, "text/event-stream"]);
    assert.equal(switchboard.following, 0);
  });

  it("ends streams and waits properly when the daemon ends", async () => {
    const stream = await follow("/v1/events");
    const waiting = face.call("POST", "/v1/chats/alice/messages?wait=300", { json: { text: "Hello" } });
    await until(() => switchboard.following === 1);
    const {
      body: { chats },
    } = await face.call("GET", "/v1/chats");
    assert.equal(chats.length, 1);
    await face.end();
    await stream.ended;
    const { status, body } = await waiting;
    assert.deepEqual([status, body.status], [202, "queued"]);
    assert.equal(switchboard.following, 0);
  });

  it("ends also when a client reads nothing", async () => {
    const { port } = new URL(face.url);
    const deaf = connect(Number(port), "127.0.0.1");
    deaf.pause();
    deaf.on("error", () => {});
    deaf.write(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    await until(() => switchboard.following === 1);
    const count = 1000;
    for (let i = 0; i < count; i++) switchboard.append(notice("x".repeat(100_000)));
    // The buffers of both sockets fill up, and then nothing more is asked for.
    let before = 0;
    let calm = 0;
    await until(() => {
      calm = switchboard.handedOut === before ? calm + 1 : 0;
      before = switchboard.handedOut;
      return before > 0 && calm > 20;
    });
    assert.ok(
      switchboard.handedOut < count / 2,
      `${switchboard.handedOut} events for a client that reads none`,
    );
    await face.end();
    deaf.destroy();
  });
});

describe("a stream of events", () => {
  const ticking: Array<() => void> = [];
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: () => () => {},
    every: (ms, fn) => {
      assert.equal(ms, 15_000);
      ticking.push(fn);
      return () => ticking.splice(ticking.indexOf(fn), 1);
    },
  };
  const decoder = new TextDecoder();
  const options = { clock, pingMs: 15_000, cancel() {}, failed() {} };

  function many(count: number): { source: AsyncGenerator<EventView>; asked: () => number } {
    let asked = 0;
    async function* source(): AsyncGenerator<EventView> {
      while (asked < count) {
        asked++;
        yield { ...notice(String(asked)), seq: asked, at: "" };
      }
    }
    return { source: source(), asked: () => asked };
  }

  it("asks for an event only when the one before it has left: a slow client costs no memory", async () => {
    const { source, asked } = many(1000);
    const reader = eventStream(source, options).getReader();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(asked() <= 1, `${asked()} before anything was read`);
    const read: string[] = [];
    for (let i = 0; i < 5; i++) read.push(decoder.decode((await reader.read()).value));
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(asked() <= 6, `${asked()} for 4 that were read`);
    // And nothing is lost on it.
    for (let next = await reader.read(); !next.done; next = await reader.read())
      read.push(decoder.decode(next.value));
    assert.equal(read.length, 1001);
    assert.match(read.at(-1) ?? "", /^id: 1000\n/);
    assert.equal(ticking.length, 0);
  });

  it("opens with a comment and shows by one every 15 s that it lives", async () => {
    const silence: AsyncIterable<EventView> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => ({ done: true, value: undefined }),
      }),
    };
    const reader = eventStream(silence, options).getReader();
    assert.equal(decoder.decode((await reader.read()).value), ": open\n\n");
    const ping = reader.read();
    for (const tick of ticking) tick();
    assert.equal(decoder.decode((await ping).value), ": ping\n\n");
    await reader.cancel();
    assert.equal(ticking.length, 0);
  });

  it("does not pile up comments for a client that reads nothing", async () => {
    const { source } = many(0);
    const stream = eventStream(source, options);
    for (let i = 0; i < 100; i++) for (const tick of ticking) tick();
    let chunks = 0;
    for await (const _ of stream) chunks++;
    assert.equal(chunks, 1);
  });

  it("ends where its events fail, and says why to the one who asked", async () => {
    const failures: unknown[] = [];
    const error = new Error("the ledger is gone");
    async function* failing(): AsyncGenerator<EventView> {
      yield { ...notice("1"), seq: 1, at: "" };
      throw error;
    }
    let text = "";
    const stream = eventStream(failing(), { ...options, failed: (why) => failures.push(why) });
    for await (const chunk of stream) text += decoder.decode(chunk);
    assert.match(text, /id: 1/);
    assert.deepEqual(failures, [error]);
  });
});
