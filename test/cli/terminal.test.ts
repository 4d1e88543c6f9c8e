/** `chat` in a terminal. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Face, serve, token, until } from "../api/face.ts";
import { MemorySwitchboard } from "../api/memory.ts";
import { calmHome, main } from "./rig.ts";
import { ctrlC, ctrlD, skip, Terminal } from "./terminal.ts";

describe("chat in a terminal", { skip }, () => {
  let switchboard: MemorySwitchboard;
  let face: Face;
  let terminal: Terminal;
  beforeEach(async () => {
    switchboard = new MemorySwitchboard();
    face = await serve(switchboard);
  });
  afterEach(async () => {
    await terminal.close();
    await face.end();
  });

  function chat(env: Record<string, string> = {}): Terminal {
    terminal = new Terminal([process.execPath, main, "--url", face.url, "chat", "alice"], {
      env: { SWITCHBOARD_TOKEN: token, ...env },
    });
    return terminal;
  }

  /** The messages of the chat, as soon as there are so many. */
  async function messages(count: number) {
    let found = 0;
    const look = async () => {
      found = (await switchboard.history("alice").catch(() => [])).length;
    };
    await until(() => {
      void look();
      return found === count;
    });
    return await switchboard.history("alice");
  }

  it("shows text as it comes, tools in a line of their own, and asks again after the answer", async () => {
    const terminal = chat();
    await until(() => terminal.output().endsWith("> \x1b[3G"));
    terminal.type("Hello\r");
    const [message] = await messages(1);
    assert.ok(message?.type === "message");
    const turn = { chatId: "alice", turnId: "t" };
    switchboard.append({ ...turn, type: "turn", state: "started", messageIds: [message.id] });
    switchboard.piece({ ...turn, type: "text", offset: 0, text: "One " });
    await until(() => terminal.output().includes("One "));
    switchboard.append({ ...turn, type: "tool", toolUseId: "u", name: "Read", state: "started" });
    await until(() => terminal.output().includes("· Read"));
    switchboard.piece({ ...turn, type: "text", offset: 4, text: "two\x1b]0;evil\x07" });
    await until(() => terminal.output().includes("two"));
    switchboard.answer(message.id, "One two\x1b]0;evil\x07 three");
    await until(() => /three\r\n.*> /s.test(terminal.output()));
    // What others write gives no orders to the terminal.
    assert.doesNotMatch(terminal.output(), /evil|\x07/);
    terminal.type(ctrlD);
    assert.equal(await terminal.ended, 0);
  });

  it("shows what the reply is when a piece has rewritten what stood there", async () => {
    const terminal = chat();
    await until(() => terminal.output().endsWith("> \x1b[3G"));
    terminal.type("Hello\r");
    const [message] = await messages(1);
    assert.ok(message?.type === "message");
    const turn = { chatId: "alice", turnId: "t" };
    // As it can be: the first piece is there before its turn.
    switchboard.piece({
      ...turn,
      type: "text",
      offset: 0,
      text: `A first try ${"that is long ".repeat(10)}`,
    });
    switchboard.append({ ...turn, type: "turn", state: "started", messageIds: [message.id] });
    await until(() => terminal.window().length === 3);
    switchboard.piece({ ...turn, type: "text", offset: 2, text: "second one" });
    await until(() => terminal.window().length === 2);
    assert.deepEqual(terminal.window(), ["> Hello", "A second one"]);
    switchboard.answer(message.id, "A second one.");
    await until(() => terminal.window().length === 3);
    assert.deepEqual(terminal.window(), ["> Hello", "A second one.", ">"]);
  });

  it("stops the turn by Ctrl-C, and leaves by it when nothing runs", async () => {
    const terminal = chat();
    await until(() => terminal.output().endsWith("> \x1b[3G"));
    terminal.type("Hello\r");
    await messages(1);
    terminal.type(ctrlC);
    await until(() => switchboard.stops === 1);
    await until(() => terminal.window().slice(-2).join() === "stopped,>");
    terminal.type(ctrlC);
    assert.equal(await terminal.ended, 0);
    assert.equal(switchboard.stops, 1);
  });

  it("sends what is typed while Claude works at once", async () => {
    const terminal = chat();
    await until(() => terminal.output().endsWith("> \x1b[3G"));
    terminal.type("One\r");
    await messages(1);
    terminal.type("Two\r");
    const texts = (await messages(2)).map(({ text }) => text);
    assert.deepEqual(texts, ["One", "Two"]);
    terminal.type(ctrlD);
    assert.equal(await terminal.ended, 0);
  });

  it("has colours, unless they are not wanted", async () => {
    for (const [env, colours] of [
      [{}, true],
      [{ NO_COLOR: "1" }, false],
    ] as const) {
      const terminal = chat(env);
      await until(() => terminal.output().endsWith("> \x1b[3G"));
      terminal.type("Hello\r");
      const message = (await messages(colours ? 1 : 2)).at(-1);
      assert.ok(message?.type === "message");
      const turn = { chatId: "alice", turnId: message.id };
      switchboard.append({ ...turn, type: "turn", state: "started", messageIds: [message.id] });
      switchboard.append({ ...turn, type: "tool", toolUseId: "u", name: "Read", state: "started" });
      await until(() => terminal.output().includes("· Read"));
      assert.equal(terminal.output().includes("\x1b[2m· Read"), colours);
      switchboard.answer(message.id, "Done");
      terminal.type(ctrlD);
      await terminal.ended;
    }
  });

  it("tells who waits for an answer with `send` for how long, and nothing of that is left", async () => {
    terminal = new Terminal([process.execPath, main, "--url", face.url, "send", "alice", "Hello", "--wait"], {
      env: { SWITCHBOARD_TOKEN: token },
    });
    await until(() => terminal.output().includes("waiting for the answer … 2 s"));
    const [message] = await messages(1);
    assert.ok(message?.type === "message");
    switchboard.answer(message.id, "Here I am");
    assert.equal(await terminal.ended, 0);
    assert.deepEqual(terminal.window(), ["Here I am"]);
  });
});

describe("start in a terminal", { skip }, () => {
  it("lays its log out for reading, and ends with Ctrl-C", async () => {
    const { home, remove } = calmHome();
    const terminal = new Terminal([process.execPath, main, "start", "--home", home, "--port", "0"]);
    try {
      await until(() => terminal.output().includes("The dashboard: "));
      assert.match(terminal.output(), /^\[\d\d:\d\d:\d\d\] .*INFO.*started/m);
      assert.doesNotMatch(terminal.output(), /"level"/);
      terminal.type(ctrlC);
      await terminal.ended;
      assert.match(terminal.output(), /ending/);
    } finally {
      await terminal.close();
      remove();
    }
  });
});
