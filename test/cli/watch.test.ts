import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Face, serve, token } from "../api/face.ts";
import { MemorySwitchboard } from "../api/memory.ts";
import { eventually } from "../support/eventually.ts";
import { main, type Running, start } from "./rig.ts";
import { ctrlC, type Size, skip, Terminal } from "./terminal.ts";

describe("sessions --watch", () => {
  let switchboard: MemorySwitchboard;
  let face: Face;
  beforeEach(async () => {
    switchboard = new MemorySwitchboard();
    face = await serve(switchboard);
  });
  afterEach(() => face.end());
  const args = () => ["--url", face.url, "--token", token, "sessions", "--watch"];

  describe("in a terminal", { skip }, () => {
    let terminal: Terminal;
    afterEach(() => terminal.close());

    /** A command whose line stands in the window before. */
    function watch(url = face.url, size: Partial<Size> = {}): Terminal {
      const command = `echo before; exec '${process.execPath}' '${main}' --url ${url} --token ${token} sessions --watch`;
      terminal = new Terminal(["sh", "-c", command], size);
      return terminal;
    }
    const isEntered = () => terminal.output().includes("\x1b[?1049h");
    const assertRestored = () => {
      assert.equal(terminal.output().lastIndexOf("\x1b[?1049l"), terminal.output().lastIndexOf("\x1b[?1049"));
      assert.equal(terminal.output().lastIndexOf("\x1b[?25h"), terminal.output().lastIndexOf("\x1b[?25"));
      assert.equal(terminal.window()[0], "before");
    };

    it("counts by state, fits the window, and says how many more there are", async (t) => {
      for (let n = 1; n <= 30; n++) await switchboard.receive(`chat-${n}`, { text: "Hello" });
      watch(face.url, { columns: 60, rows: 10 });
      await eventually("the table is there", () => terminal.window().length === 10);
      const [counts, titles, first] = terminal.window();
      assert.match(counts ?? "", /^30 chats · 30 dormant · 0 of 1 processes · \d\d:\d\d:\d\d$/);
      assert.match(titles ?? "", /^CHAT .* LAST MESSAGE$/);
      assert.match(first ?? "", /^chat-1 .* dormant +0 .* now$/);
      assert.equal(terminal.window().at(-1), "… 23 more");

      // Nobody but the window itself tells of its size.
      t.mock.method(switchboard, "chats", () => new Promise(() => {}));
      await terminal.resize({ columns: 30, rows: 5 });
      await eventually("it fits the new window", () => terminal.window().at(-1) === "… 28 more");
      assert.equal(terminal.window().length, 5);
      for (const line of terminal.window()) assert.ok(line.length <= 30, line);
      await terminal.resize({ columns: 80, rows: 40 });
      await eventually("all are there", () => terminal.window().length === 32);
    });

    it("shows what has changed, and gives the window back at Ctrl-C, with 0", async () => {
      watch();
      await eventually("it is there", () => terminal.window()[1] === "no chats");
      await switchboard.receive("alice", { text: "Hello" });
      await eventually("the chat is there", () => terminal.window()[2]?.startsWith("alice") === true);
      terminal.type(ctrlC);
      assert.equal(await terminal.ended, 0);
      assertRestored();
    });

    it("gives the window back when it fails, and says why in it", async () => {
      let isLost = false;
      let stream: ServerResponse | undefined;
      const server = createServer((request, response) => {
        if (isLost)
          return void response.writeHead(401).end('{"error":{"code":"unauthorized","message":"no"}}');
        if (request.url?.startsWith("/v1/events") === true) {
          stream = response;
          response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n");
          return;
        }
        const body =
          request.url?.startsWith("/v1/host") === true ? switchboard.host : { chats: [], next: null };
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      watch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      await eventually("it is there", () => isEntered() && stream !== undefined);
      isLost = true;
      stream?.write('id: 1\nevent: notice\ndata: {"type":"notice","seq":1}\n\n');
      assert.equal(await terminal.ended, 4);
      server.close();
      assertRestored();
      assert.match(terminal.window()[1] ?? "", /^switchboard: .*token/);
    });

    it("looks only now and then, however much happens", async (t) => {
      const looks: number[] = [];
      t.mock.method(switchboard, "chats", async () => {
        looks.push(performance.now());
        return { chats: [], next: null };
      });
      watch();
      await eventually("it is there", isEntered);
      while (looks.length < 5) {
        switchboard.append({ type: "notice", chatId: "alice", code: "x", text: "" });
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      // Timers may be a little early; what is measured is when the daemon is asked.
      for (const [at, look] of looks.slice(1).entries())
        assert.ok(look - (looks[at] ?? 0) > 400, looks.join());
    });
  });

  describe("without a terminal", () => {
    let running: Running;
    afterEach(() => running.end("SIGKILL"));

    it("is a table for each change, with an empty line between", async (t) => {
      const chats = t.mock.method(switchboard, "chats");
      await switchboard.receive("alice", { text: "Hello" });
      running = start(args());
      await eventually("the first table", () => running.output.stdout.includes("alice"));
      // Something has happened, but nothing of what a table shows.
      const before = chats.mock.callCount();
      switchboard.append({ type: "notice", chatId: "alice", code: "x", text: "" });
      await eventually("it has looked", () => chats.mock.callCount() > before);
      await switchboard.receive("bob", { text: "Hello" });
      await eventually("the second table", () => running.output.stdout.includes("bob"));
      assert.match(running.output.stdout, /^CHAT .*\nalice .*\n\nCHAT .*\nalice .*\nbob .*\n$/);
      assert.doesNotMatch(running.output.stdout, /\x1b/);
      assert.equal(await running.end("SIGINT"), 0);
    });

    it("keeps no picture longer than it shows it", async (t) => {
      await switchboard.receive("alice", { text: "Hello" });
      const chat = await switchboard.chat("alice");
      let looks = 0;
      t.mock.method(switchboard, "chats", async () => {
        looks++;
        switchboard.append({ type: "notice", chatId: "alice", code: "x", text: "" });
        const name = "x".repeat(16 * 2 ** 20);
        return { chats: [{ ...chat, contact: { ...chat.contact, name } }], next: null };
      });
      running = start(["--json", ...args()], { NODE_OPTIONS: "--max-old-space-size=128" });
      // Each is an eighth of what it may have.
      await eventually("it has looked often", () => looks >= 14 || running.output.stderr !== "");
      assert.equal(running.output.stderr, "");
      assert.equal(await running.end("SIGINT"), 0);
    });

    it("is a JSON snapshot a line for programs", async () => {
      running = start(["--json", ...args()]);
      const snapshots = () => running.output.stdout.trim().split("\n");
      await eventually("the first", () => snapshots()[0] !== "");
      await switchboard.receive("alice", { text: "Hello" });
      await eventually("the second", () => snapshots().length === 2);
      assert.deepEqual(
        snapshots().map((line) => JSON.parse(line).chats.length),
        [0, 1],
      );
      assert.equal(await running.end("SIGTERM"), 0);
    });
  });
});
