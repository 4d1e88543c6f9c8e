import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import type { EventView, HistoryEntry, ReplyView } from "../../src/views.ts";
import { serve, token } from "../api/face.ts";
import { MemorySwitchboard } from "../api/memory.ts";
import { eventually } from "../support/eventually.ts";
import { calmHome, type Daemon, main, run, start, startDaemon } from "./rig.ts";
import { ctrlC, skip, Terminal } from "./terminal.ts";

describe("log", () => {
  const { home, remove } = calmHome();
  let daemon: Daemon;
  before(async () => {
    daemon = await startDaemon(home);
    for (const text of ["One", "Two", "Three"]) await cli("send", "alice", text, "--tier", "bots", "--wait");
  });
  after(async () => {
    await daemon?.end("SIGTERM");
    remove();
  });
  const cli = (...args: string[]) => run(["--home", home, ...args]);
  const lastWords = (output: string) => output.match(/(?<= {2}(alice|Claude) {2,3})\S.*/g);

  it("shows the last messages and replies, oldest first, plain and unwrapped in a pipe", async () => {
    const { code, stdout } = await cli("log", "alice");
    assert.equal(code, 0);
    assert.deepEqual(stdout.match(/ {2}(alice|Claude) /g)?.length, 6);
    assert.match(stdout, / {2}alice {3}One\n.* {2}Claude {2}You said: "One".*\n.* {2}alice {3}Two\n/);
    assert.doesNotMatch(stdout, /\x1b/);
    const limited = await cli("log", "alice", "--limit", "2");
    assert.match(limited.stdout, /^.*\n[^\n]* alice {3}Three\n[^\n]* Claude {2}You said: "Three"[^\n]*\n$/);
  });

  it("is one JSON value a line for programs", async () => {
    const { stdout } = await cli("log", "alice", "--json", "--limit", "3");
    const entries: HistoryEntry[] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      entries.map(({ type }) => type),
      ["reply", "message", "reply"],
    );
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      [4, 5, 6],
    );
  });

  it("shows what happened last below the chat", async () => {
    const { stdout } = await cli("show", "alice");
    assert.match(stdout, /^state: .*$/m);
    assert.match(stdout, /\n\n.*\n[^\n]* alice {3}One\n(.*\n){4}.* Claude {2}You said: "Three"/);
  });

  it("fails for a chat that is not there, followed or not", async () => {
    for (const args of [
      ["log", "ghost"],
      ["log", "ghost", "--follow"],
    ]) {
      const { code, stderr } = await cli(...args);
      assert.equal(code, 5);
      assert.match(stderr, /ghost/);
    }
    assert.equal((await cli("log", "alice", "--limit", "0")).code, 2);
  });

  it("goes on over the daemon's death and return, and ends by Ctrl-C with 0", async () => {
    const following = start(["--home", home, "log", "alice", "--follow", "--limit", "1"]);
    const shown = () => lastWords(following.output.stdout) ?? [];
    await eventually("the page is there", () => shown().length === 1);
    await daemon.end("SIGKILL");
    daemon = await startDaemon(home, ["--port", new URL(daemon.url).port]);
    await cli("send", "alice", "Four", "--wait");
    await eventually("what was said after it", () => shown().length === 3);
    assert.equal(await following.end("SIGINT"), 0);
    assert.equal(following.output.stderr, "");
    assert.deepEqual(
      shown().map((text) => text.slice(0, 17)),
      ['You said: "Three"', "Four", 'You said: "Four".'],
    );
  });

  it("goes on at another address when the daemon of the home returns there", async () => {
    const following = start(["--home", home, "log", "alice", "--follow", "--limit", "1"]);
    try {
      await eventually("the page is there", () => lastWords(following.output.stdout)?.length === 1);
      const { url } = daemon;
      await daemon.end("SIGTERM");
      // Somebody else's by then.
      const taken = createServer((request) => request.destroy());
      taken.listen(Number(new URL(url).port), "127.0.0.1");
      try {
        daemon = await startDaemon(home);
      } finally {
        taken.close();
      }
      await cli("send", "alice", "Five", "--wait");
      await eventually(
        "what was said there",
        () => following.output.stdout.includes("Five") || following.output.stderr !== "",
        45_000,
      );
      assert.equal(following.output.stderr, "");
      assert.notEqual(daemon.url, url);
    } finally {
      await following.end("SIGINT");
    }
  });
});

describe("log --follow", () => {
  /** The API's answers as the test wants them: what happens between two of them. */
  interface Script {
    /** The page that is asked for first, and what is said on the stream before it is answered. */
    page: HistoryEntry[];
    meanwhile: EventView[];
    /** What happens afterwards. */
    later: EventView[];
    /** The connection is cut after the page; what is there by then, from the page's first on. */
    afterCut?: HistoryEntry[];
  }
  async function follow(script: Script, ...args: string[]): Promise<string[]> {
    let stream: ServerResponse | undefined;
    const tell = (events: EventView[]) => {
      for (const event of events) {
        stream?.write(
          `id: ${"seq" in event ? event.seq : 0}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
        );
      }
    };
    const server = createServer((request, response) => {
      if (request.url?.includes("/events") === true) {
        stream = response;
        response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n");
        return;
      }
      const isPage = request.url?.includes("/messages") === true;
      const history = request.url?.includes("after=0") ? script.afterCut : script.page.toReversed();
      if (isPage) tell(script.meanwhile);
      const body = isPage ? { history, next: null } : { chatId: "c", contact: { name: "Ada" } };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (isPage) tell(script.later);
      if (isPage && script.afterCut !== undefined) stream?.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const following = start([
      "--url",
      `http://127.0.0.1:${port}`,
      "--token",
      token,
      "log",
      "c",
      "--follow",
      ...args,
    ]);
    try {
      await eventually("the end of it is there", () => following.output.stdout.includes("the end"));
      return following.output.stdout.trim().split("\n");
    } finally {
      await following.end("SIGINT");
      server.closeAllConnections();
      server.close();
    }
  }

  const at = new Date(2026, 0, 10, 9, 5).toISOString();
  let seq = 0;
  const message = (
    id: string,
    status: "queued" | "sent" | "answered" | "failed",
    text: string,
  ): EventView => ({
    type: "message",
    chatId: "c",
    seq: ++seq,
    at,
    message: {
      id,
      externalId: null,
      seq: 1,
      text,
      attachments: [],
      status,
      ran: null,
      tries: status === "queued" ? 0 : 1,
      error: status === "failed" ? { code: "x", message: "it broke" } : null,
      replyId: null,
    },
  });
  const answer: ReplyView = {
    id: "r1",
    kind: "answer",
    text: "Hi",
    answers: ["m1"],
    status: "sent",
    attempts: 0,
    error: null,
  };
  const script = (): Script => ({
    page: [
      {
        type: "message",
        id: "m1",
        externalId: null,
        chatId: "c",
        seq: 1,
        text: "First",
        attachments: [],
        status: "answered",
        ran: null,
        waiting: null,
        tries: 1,
        error: null,
        reply: answer,
        acceptedAt: at,
        sentAt: at,
        endedAt: at,
      },
      { type: "reply", chatId: "c", seq: 2, createdAt: at, ...answer },
    ],
    meanwhile: [
      message("m1", "queued", "First"),
      message("m1", "sent", "First"),
      { type: "reply", chatId: "c", seq: ++seq, at, reply: answer },
      message("m1", "answered", "First"),
      message("m2", "queued", "Second"),
    ],
    later: [
      message("m2", "sent", "Second"),
      message("m2", "failed", "Second"),
      message("m3", "queued", "the end"),
    ],
  });

  it("has no gap and no double between the page and what happens while it is read", async () => {
    assert.deepEqual((await follow(script())).slice(1), [
      "09:05  Ada     First",
      "09:05  Claude  Hi",
      "09:05  Ada     Second",
      '09:05  Ada     about "Second"',
      "               failed: it broke",
      "09:05  Ada     the end",
    ]);
  });

  it("has no gap either when the connection is cut before anything has happened", async () => {
    const [first] = script().page;
    assert.ok(first?.type === "message");
    const open = { ...first, status: "sent", endedAt: null } as const;
    const failed = { ...first, status: "failed", error: { code: "x", message: "it broke" } } as const;
    const next = { ...first, id: "m2", seq: 2, text: "the end" };
    const lines = await follow({ page: [open], meanwhile: [], later: [], afterCut: [failed, next] });
    assert.deepEqual(lines.slice(1), [
      "09:05  Ada     First",
      "               sent",
      '09:05  Ada     about "First"',
      "               failed: it broke",
      "09:05  Ada     the end",
    ]);
  });

  it("is the same for programs: entries, then the events that tell more", async () => {
    const lines = (await follow(script(), "--json")).map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ type, id, message }) => [type, id ?? message.id, message?.status]),
      [
        ["message", "m1", undefined],
        ["reply", "r1", undefined],
        ["message", "m2", "queued"],
        ["message", "m2", "sent"],
        ["message", "m2", "failed"],
        ["message", "m3", "queued"],
      ],
    );
  });
});

describe("log in a terminal", { skip }, () => {
  it("wraps to the window, shows a stop as it happens, and gives no orders to the terminal", async () => {
    const switchboard = new MemorySwitchboard();
    const face = await serve(switchboard);
    await switchboard.receive("alice", { text: `${"word ".repeat(12)}\x1b]0;evil\x07` });
    const terminal = new Terminal(
      [process.execPath, main, "--url", face.url, "--token", token, "log", "alice", "--follow"],
      { columns: 50 },
    );
    try {
      await eventually("the page is there", () => terminal.window().some((line) => line.includes("queued")));
      assert.deepEqual(
        terminal
          .window()
          .slice(1)
          .map((line) => line.replace(/^\d\d:\d\d/, "TIME ")),
        [
          "TIME   alice   word word word word word word word",
          "               word word word word word",
          "               queued, waits for its process to",
          "               start",
        ],
      );
      await switchboard.stop("alice");
      await eventually("the stop is there", () => terminal.window().at(-1) === "               stopped");
      assert.doesNotMatch(terminal.output(), /evil|\x07/);
      // The word tells it without its colour too.
      assert.match(terminal.output(), /\x1b\[31mstopped/);
      terminal.type(ctrlC);
      assert.equal(await terminal.ended, 0);
    } finally {
      await terminal.close();
      await face.end();
    }
  });
});
