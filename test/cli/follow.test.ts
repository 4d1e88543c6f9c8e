import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { Client } from "../../src/cli/client.ts";
import { follow } from "../../src/cli/follow.ts";

describe("following events", () => {
  const asked: Array<string | undefined> = [];
  let answer: (response: ServerResponse) => void;
  const server = createServer((request, response) => {
    asked.push(request.headers["last-event-id"]?.toString());
    answer(response);
  });
  let client: Client;
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    client = new Client({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: "t" });
  });
  after(() => server.close());

  const event = (id: number) => `id: ${id}\nevent: notice\ndata: {"type":"notice","seq":${id}}\n\n`;

  it("goes on after the last event that it has seen when the connection is cut, mid-event or not", async () => {
    const answers: Array<(response: ServerResponse) => void> = [
      (response) => response.write(`${event(1)}${event(2)}id: 3\nda`, () => response.destroy()),
      (response) => response.writeHead(503).end('{"error":{"code":"starting","message":"wait"}}'),
      (response) => response.end(event(3)),
      (response) => response.write(event(4)),
    ];
    answer = (response) => answers.shift()?.(response);
    const leave = new AbortController();
    const opened: Array<string | undefined> = [];
    const seen: number[] = [];
    for await (const next of follow(client, "/", {
      signal: leave.signal,
      opened: (after) => void opened.push(after),
    })) {
      if (next.type !== "text") seen.push(next.seq);
      if (seen.length === 4) leave.abort();
    }
    assert.deepEqual(seen, [1, 2, 3, 4]);
    assert.deepEqual(asked, [undefined, "2", "2", "3"]);
    assert.deepEqual(opened, [undefined, "2", "3"]);
  });

  it("has patience with a daemon that goes away after a long time, too", async (t) => {
    const now = performance.now.bind(performance);
    let later = 0;
    t.mock.method(performance, "now", () => now() + later);
    const answers: Array<(response: ServerResponse) => void> = [
      (response) => response.write(event(1)),
      (response) => response.end(event(2)),
    ];
    answer = (response) => {
      cut = () => response.destroy();
      answers.shift()?.(response);
    };
    let cut = () => {};
    const events = follow(client, "/", { signal: new AbortController().signal, opened() {} });
    await events.next();
    later = 3_600_000;
    cut();
    assert.equal((await events.next()).value?.type, "notice");
    await events.return(undefined);
  });

  it("gives no event before what is read when the stream is open", async () => {
    answer = (response) => response.end(event(1));
    const order: string[] = [];
    const opened = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      order.push("read");
    };
    const events = follow(client, "/", { signal: new AbortController().signal, opened });
    await events.next();
    order.push("event");
    assert.deepEqual(order, ["read", "event"]);
    await events.return(undefined);
  });

  it("does not insist where it is not wanted", async () => {
    answer = (response) => response.writeHead(401).end('{"error":{"code":"unauthorized","message":"no"}}');
    const events = follow(client, "/", { signal: new AbortController().signal, opened() {} });
    await assert.rejects(events.next(), { exit: "token" });
  });
});
