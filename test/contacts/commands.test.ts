import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import fc from "fast-check";
import { matchesCommand, simpleCommands } from "../../src/contacts/commands.ts";

describe("a shell command that a rule can judge", () => {
  const understood: Array<[command: string, parts: string[][]]> = [
    ["ls", [["ls"]]],
    ["  ls   -l\t/srv ", [["ls", "-l", "/srv"]]],
    ["cd a && make; ./run || exit 1", [["cd", "a"], ["make"], ["./run"], ["exit", "1"]]],
    ["cat a | sort |uniq", [["cat", "a"], ["sort"], ["uniq"]]],
    [
      "echo one\necho two\n",
      [
        ["echo", "one"],
        ["echo", "two"],
      ],
    ],
    [`echo 'a; b' "c && d" e\\ f`, [["echo", "a; b", "c && d", "e f"]]],
    [`echo "say \\"hi\\" for \\$5" ''`, [["echo", 'say "hi" for $5', ""]]],
    ["'r''m' -rf x", [["rm", "-rf", "x"]]],
    [`echo a"b"'c'`, [["echo", "abc"]]],
    ["echo 'a\nb'", [["echo", "a\nb"]]],
    ["", []],
  ];
  for (const [command, parts] of understood)
    it(`is a row of simple commands: ${JSON.stringify(command)}`, () => {
      assert.deepEqual(simpleCommands(command), parts);
    });

  const not = [
    ...[
      "echo $HOME",
      "echo `id`",
      "echo $(id)",
      'echo "$(id)"',
      'echo "`id`"',
      'echo "$X"',
      "echo $" + "{IFS}x",
      "echo $'a'",
    ],
    ...["cat <x", "cat >x", "cat 2>&1", "cat <<E\nx\nE", "diff <(ls) x", "echo x >| y"],
    ...[
      "(ls)",
      "{ ls; }",
      "ls &",
      "ls |& cat",
      "case x in x) ls;; esac",
      "! ls",
      "if true; then ls; fi",
      "for x in a; do ls; done",
    ],
    ...[
      "ls *",
      "ls ?",
      "ls [a]",
      "echo {a,b}",
      "cat ~/x",
      "A=1 ls",
      "A+=1 ls",
      "a[0]=1 ls",
      "function f",
      "[[ a ]]",
      "time ls",
    ],
    ...["echo 'a", 'echo "a', "echo a\\", "ls \\\nx", "ls # x", "ls\0x", "echo a!b", "ls;;", "coproc ls"],
  ];
  for (const command of not)
    it(`is not ${JSON.stringify(command)}`, () => {
      assert.equal(simpleCommands(command), null);
    });

  it("has the words that the shell itself makes of it", () => {
    const word = fc.string({ unit: fc.constantFrom(..."ab-/.,:%@'\" \\=é"), maxLength: 6 });
    const command = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(" "));
    fc.assert(
      fc.property(command, (text) => {
        const parts = simpleCommands(`printf '<%s>' ${text}`);
        if (parts === null) return;
        const [words = []] = parts;
        const shown = execFileSync("/bin/sh", ["-c", `printf '<%s>' ${text}`], { encoding: "utf8" });
        const expected = words.slice(2).map((each) => `<${each}>`);
        assert.equal(shown, expected.length === 0 ? "<>" : expected.join(""));
      }),
      { numRuns: 60 },
    );
  });
});

describe("a pattern of commands", () => {
  const cases: Array<[pattern: string, command: string[], matches: boolean]> = [
    ["ls", ["ls"], true],
    ["ls", ["ls", "-l"], false],
    ["ls *", ["ls"], true],
    ["ls *", ["ls", "-l", "/etc"], true],
    ["ls *", ["lsof"], false],
    ["git log *", ["git", "log", "-1"], true],
    ["git log *", ["git", "push"], false],
    ["git log *", ["git"], false],
    ["npm run test:*", ["npm", "run", "test:unit"], true],
    ["npm run test:*", ["npm", "run", "test:unit", "--", "x"], false],
    ["cat notes/*", ["cat", "notes/a.txt"], true],
    ["cat notes/*", ["cat", "notes/../../etc/passwd"], false],
    ["cat notes/../a", ["cat", "notes/../a"], true],
    ["cat *.txt", ["cat", "aXtxt"], false],
    ["echo (x)+", ["echo", "(x)+"], true],
    ["*", ["anything", "at", "all"], true],
  ];
  for (const [pattern, command, matches] of cases)
    it(`${pattern} ${matches ? "means" : "does not mean"} ${command.join(" ")}`, () => {
      assert.equal(matchesCommand(pattern, command), matches);
    });
});
