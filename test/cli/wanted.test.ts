import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Argument, Command, Option } from "commander";
import { wanted } from "../../src/cli/completion/wanted.ts";

describe("what may stand at a place of the command line", () => {
  const root = new Command("switchboard").option("--json", "as JSON").option("--home <folder>", "the folder");
  root
    .command("send")
    .argument("<chat>")
    .argument("<text>")
    .option("--wait [seconds]", "wait")
    .addOption(new Option("--tier <tier>", "tier").choices(["family", "bots"]));
  root.command("import").argument("<file>");
  root.command("retry").argument("<reply>");
  root.command("completion").addArgument(new Argument("<shell>").choices(["bash"]));
  root.command("complete", { hidden: true });

  const at = (line: string) => {
    const words = line.split(" ");
    const want = wanted(root, words.slice(0, -1), words.at(-1) ?? "");
    return want.kind === "words" ? want.words.map(({ value }) => value).join(" ") : want.kind;
  };

  it("is a command first, behind options too, and none that is hidden", () => {
    assert.equal(at(""), "send import retry completion help");
    assert.equal(at("--json "), "send import retry completion help");
    assert.equal(at("--home /x "), "send import retry completion help");
    assert.equal(at("help "), "send import retry completion help");
  });

  it("is what its argument is", () => {
    assert.equal(at("send "), "chats");
    assert.equal(at("send --tier family "), "chats");
    assert.equal(at("send --wait 5 "), "chats");
    assert.equal(at("send --wait --json "), "chats");
    assert.equal(at("send alice "), "nothing");
    assert.equal(at("import "), "files");
    assert.equal(at("retry "), "replies");
    assert.equal(at("completion "), "bash");
    assert.equal(at("nonsense "), "nothing");
  });

  it("is an option behind a dash, of the command and of all", () => {
    assert.equal(at("send -"), "--wait --tier --help --json --home");
    assert.equal(at("send -- -"), "chats");
    assert.equal(at("-"), "--json --home --help");
  });

  it("is the value of the option before", () => {
    assert.equal(at("send --tier "), "family bots");
    assert.equal(at("send --tier="), "--tier=family --tier=bots");
    assert.equal(at("send --home "), "folders");
    assert.equal(at("send --wait "), "nothing");
  });
});
