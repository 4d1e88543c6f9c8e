import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Face, serve, token } from "../api/face.ts";
import { MemorySwitchboard } from "../api/memory.ts";
import { eventually } from "../support/eventually.ts";
import { main, run } from "./rig.ts";
import { ctrlU, skip as noTerminal, Terminal, tab } from "./terminal.ts";

/** Shells as they start without anybody's settings, with a prompt by which one sees that they wait. */
const shells = {
  bash: {
    command: ["bash", "--norc", "--noprofile", "-i"],
    load: "PS1='ready> '; source <(switchboard completion bash)",
  },
  zsh: { command: ["zsh", "-f", "-i"], load: "PS1='ready> '; source <(switchboard completion zsh)" },
  fish: {
    command: ["fish", "--no-config", "-i"],
    load: "function fish_prompt; printf 'ready> '; end; switchboard completion fish | source",
  },
};

for (const [name, { command, load }] of Object.entries(shells)) {
  const isMissing = spawnSync(name, ["--version"]).error !== undefined;
  const skip = noTerminal || (isMissing && `needs ${name}`);

  describe(`completion in ${name}`, { skip }, () => {
    const folder = mkdtempSync(join(tmpdir(), "switchboard-tab-"));
    const trap = join(folder, "trap");
    const nasty = `a b'c "d" $(touch ${trap}) \`touch ${trap}\` \\e !f *#;&|~`;
    let face: Face;
    let terminal: Terminal;
    before(async () => {
      const switchboard = new MemorySwitchboard();
      for (const id of ["telegram:12345", "signal:group.x/y=", "家族😀", nasty]) {
        await switchboard.receive(id, { text: "Hello" });
      }
      face = await serve(switchboard);
      mkdirSync(join(folder, "bin"));
      // Says what arrives, so that a command need not be understood to be tried.
      const program = `#!/bin/sh
case $1 in complete | completion) exec '${process.execPath}' '${main}' "$@" ;; esac
printf 'got'; printf '<%s>' "$@"; echo
`;
      writeFileSync(join(folder, "bin/switchboard"), program, { mode: 0o755 });
      terminal = new Terminal(command, {
        columns: 400,
        rows: 100,
        env: {
          PATH: `${join(folder, "bin")}:${process.env.PATH}`,
          HOME: folder,
          SWITCHBOARD_HOME: join(folder, "home"),
          SWITCHBOARD_TOKEN: token,
        },
      });
      terminal.type(`${load}; echo load''ed\r`);
      await eventually("the shell has read it", () => terminal.output().includes("loaded"));
      await ready();
    });
    after(async () => {
      await terminal?.close();
      await face?.end();
      // What the shell has started may still be ending.
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    });

    const arrived = () => terminal.window().flatMap((each) => /^got(<.*>)$/.exec(each)?.[1] ?? []);
    const line = () => terminal.window().at(-1) ?? "";

    /** What is typed while a command still runs is not always there afterwards. */
    const ready = () => eventually("the shell waits", () => line().trimEnd().endsWith("ready>"));

    /** What the command gets when this is typed, Tab is pressed, and `shown` has appeared in the line. */
    async function completed(typed: string, shown: string): Promise<string | undefined> {
      terminal.type(typed + tab);
      await eventually(`${typed} becomes … ${shown}`, () => line().includes(shown));
      const before = arrived().length;
      terminal.type("\r");
      await eventually("the command has run", () => arrived().length > before);
      await ready();
      return arrived().at(-1);
    }
    const url = () => `--url ${face.url}`;

    it("knows commands, options and their values", async () => {
      assert.equal(await completed("switchboard sess", "sessions"), "<sessions>");
      assert.equal(await completed("switchboard sessions --wat", "--watch"), "<sessions><--watch>");
      assert.equal(await completed("switchboard sessions --state bu", "busy"), "<sessions><--state><busy>");
      assert.equal(
        await completed("switchboard send x y --tier fav", "favorite"),
        "<send><x><y><--tier><favorite>",
      );
      assert.equal(await completed("switchboard sessions --state=bu", "busy"), "<sessions><--state=busy>");
    });

    it("asks the daemon for chat ids, which arrive as they are, whatever they are", async () => {
      const at = `<--url><${face.url}>`;
      assert.equal(await completed(`switchboard ${url()} show tele`, "12345"), `${at}<show><telegram:12345>`);
      assert.equal(
        await completed(`switchboard ${url()} show telegram:1`, "2345"),
        `${at}<show><telegram:12345>`,
      );
      assert.equal(await completed(`switchboard ${url()} show sig`, "y="), `${at}<show><signal:group.x/y=>`);
      assert.equal(await completed(`switchboard ${url()} log 家`, "😀"), `${at}<log><家族😀>`);
      for (const begun of ["a", "a\\ b", "'a ", '"a ']) {
        assert.equal(await completed(`switchboard ${url()} show ${begun}`, "touch"), `${at}<show><${nasty}>`);
      }
      assert.equal(existsSync(trap), false);
    });

    it("runs nothing of what stands in the line", async () => {
      const typed = name === "fish" ? `(touch ${trap})` : `"$(touch ${trap})"`;
      terminal.type(`switchboard send x ${typed} --wa${tab}`);
      await eventually("the option is there", () => line().includes("--wait"));
      assert.equal(existsSync(trap), false);
      // Not Ctrl-C: a signal that meets bash while it completes can leave it without a prompt.
      terminal.type(ctrlU);
      await ready();
    });

    it("offers nothing and says nothing when no daemon runs", async () => {
      terminal.type(`switchboard --url http://127.0.0.1:9 show x${tab}y\r`);
      await eventually("the command has run", () => arrived().at(-1)?.endsWith("<show><xy>"));
      assert.doesNotMatch(terminal.window().join("\n"), /answers|no daemon/);
    });
  });
}

describe("completion", () => {
  it("is printed for the shells that it knows", async () => {
    assert.match((await run(["completion", "bash"])).stdout, /complete -F/);
    const { code, stderr } = await run(["completion", "tcsh"]);
    assert.equal(code, 2);
    assert.match(stderr, /^switchboard: .*bash, zsh, fish/);
  });

  it("offers no chat id that would be taken for an option, except behind --", async () => {
    const switchboard = new MemorySwitchboard();
    for (const id of ["-x dash", "alice"]) await switchboard.receive(id, { text: "Hello" });
    const face = await serve(switchboard);
    try {
      const line = ["--url", face.url, "--token", token, "show"];
      const offered = async (...words: string[]) =>
        (await run(["complete", "zsh", "--", ...line, ...words])).stdout.trim().split("\n").slice(1).sort();
      assert.deepEqual(await offered(""), ["alice"]);
      assert.deepEqual(await offered("--", ""), ["-x dash", "alice"]);
    } finally {
      await face.end();
    }
  });

  it("answers though nothing is where it looks", async () => {
    const { code, stdout, stderr } = await run(["complete", "zsh", "--", "--port", "99999", "show", ""]);
    assert.deepEqual([code, stdout, stderr], [0, "words\n", ""]);
  });
});
