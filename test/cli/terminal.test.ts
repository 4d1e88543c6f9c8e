/** `chat` in a terminal, by way of util-linux's `script`, which gives a command one. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Face, serve, token, until } from "../api/face.ts";
import { MemorySwitchboard } from "../api/memory.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const hasScript = spawnSync("script", ["--version"]).stdout?.includes("util-linux") === true;

describe("chat in a terminal", { skip: hasScript ? false : "needs util-linux's script" }, () => {
  let switchboard: MemorySwitchboard;
  let face: Face;
  beforeEach(async () => {
    switchboard = new MemorySwitchboard();
    face = await serve(switchboard);
  });
  afterEach(() => face.end());

  interface Terminal {
    screen(): string;
    type(keys: string): void;
    ended: Promise<number | null>;
  }
  const ctrlC = "\x03";
  const ctrlD = "\x04";

  function chat(env: Record<string, string> = {}): Terminal {
    const command = `'${process.execPath}' '${main}' --url ${face.url} chat alice`;
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env: {
        PATH: process.env.PATH ?? "",
        TERM: "xterm",
        SHELL: "/bin/sh",
        SWITCHBOARD_TOKEN: token,
        ...env,
      },
    });
    let screen = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      screen += text;
    });
    return {
      screen: () => screen,
      type: (keys) => void child.stdin.write(keys),
      ended: once(child, "close").then(([code]) => code as number | null),
    };
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
    await until(() => terminal.screen().endsWith("> \x1b[3G"));
    terminal.type("Hello\r");
    const [message] = await messages(1);
    assert.ok(message?.type === "message");
    const turn = { chatId: "alice", turnId: "t" };
    switchboard.append({ ...turn, type: "turn", state: "started", messageIds: [message.id] });
    switchboard.piece({ ...turn, type: "text", offset: 0, text: "One " });
    await until(() => terminal.screen().includes("One "));
    switchboard.append({ ...turn, type: "tool", toolUseId: "u", name: "Read", state: "started" });
    await until(() => terminal.screen().includes("· Read"));
    switchboard.piece({ ...turn, type: "text", offset: 4, text: "two\x1b]0;evil\x07" });
    await until(() => terminal.screen().includes("two"));
    switchboard.answer(message.id, "One two\x1b]0;evil\x07 three");
    await until(() => /three\r\n.*> /s.test(terminal.screen()));
    // What others write gives no orders to the terminal.
    assert.doesNotMatch(terminal.screen(), /evil|\x07/);
    terminal.type(ctrlD);
    assert.equal(await terminal.ended, 0);
  });

  it("stops the turn by Ctrl-C, and leaves by it when nothing runs", async () => {
    const terminal = chat();
    await until(() => terminal.screen().endsWith("> \x1b[3G"));
    terminal.type("Hello\r");
    await messages(1);
    terminal.type(ctrlC);
    await until(() => switchboard.stops === 1);
    await until(() => /stopped\r\n.*> /s.test(terminal.screen()));
    terminal.type(ctrlC);
    assert.equal(await terminal.ended, 0);
    assert.equal(switchboard.stops, 1);
  });

  it("sends what is typed while Claude works at once", async () => {
    const terminal = chat();
    await until(() => terminal.screen().endsWith("> \x1b[3G"));
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
      await until(() => terminal.screen().endsWith("> \x1b[3G"));
      terminal.type("Hello\r");
      const message = (await messages(colours ? 1 : 2)).at(-1);
      assert.ok(message?.type === "message");
      const turn = { chatId: "alice", turnId: message.id };
      switchboard.append({ ...turn, type: "turn", state: "started", messageIds: [message.id] });
      switchboard.append({ ...turn, type: "tool", toolUseId: "u", name: "Read", state: "started" });
      await until(() => terminal.screen().includes("· Read"));
      assert.equal(terminal.screen().includes("\x1b[2m· Read"), colours);
      switchboard.answer(message.id, "Done");
      terminal.type(ctrlD);
      await terminal.ended;
    }
  });
});
