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
    let opened = 0;
    const seen: number[] = [];
    for await (const next of follow(client, "/", { signal: leave.signal, opened: () => opened++ })) {
      if (next.type !== "text") seen.push(next.seq);
      if (seen.length === 4) leave.abort();
    }
    assert.deepEqual(seen, [1, 2, 3, 4]);
    assert.deepEqual(asked, [undefined, "2", "2", "3"]);
    assert.equal(opened, 3);
  });

  it("does not insist where it is not wanted", async () => {
    answer = (response) => response.writeHead(401).end('{"error":{"code":"unauthorized","message":"no"}}');
    const events = follow(client, "/", { signal: new AbortController().signal, opened() {} });
    await assert.rejects(events.next(), { exit: "token" });
  });
});
