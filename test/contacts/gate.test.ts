import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { judge, type Limits, type OwnGround, type Reach, type Rules } from "../../src/contacts/gate.ts";

const ground: OwnGround = {
  work: "/home/sb/spaces/1/work",
  kept: ["/home/sb/spaces/1/tmp"],
  home: "/home/sb",
};
const everything: Rules = {
  tier: "admin",
  readFolders: [],
  writeFolders: [],
  commands: { allow: ["*"], ask: [], deny: [] },
  hosts: ["*"],
  ask: [],
};
const tools = ["Read", "Write", "Bash", "WebFetch", "WebSearch"];
const verdictOf = (name: string, reach: Reach, ...rules: Array<Partial<Rules>>) =>
  judge({ name, reach }, { tools, rules: rules.map((rule) => ({ ...everything, ...rule })) }, ground);
const read = (...paths: string[]): Reach => ({ kind: "files", access: "read", paths });
const write = (...paths: string[]): Reach => ({ kind: "files", access: "write", paths });
const command = (text: string): Reach => ({ kind: "command", command: text });
const host = (name: string, ...addresses: string[]): Reach => ({ kind: "host", name, addresses });

describe("the gate", () => {
  const cases: Array<[what: string, name: string, Reach, Array<Partial<Rules>>, expected: string]> = [
    ["reads the session's own work", "Read", read(`${ground.work}/a`), [{}], "allow"],
    ["reads the work folder itself", "Read", read(ground.work), [{}], "allow"],
    ["reads what Claude Code puts aside", "Read", read("/home/sb/spaces/1/tmp/x"), [{}], "allow"],
    ["does not write there", "Write", write("/home/sb/spaces/1/tmp/x"), [{}], "deny"],
    ["writes the session's own work", "Write", write(`${ground.work}/a/b`), [{}], "allow"],
    ["reads nothing else", "Read", read("/etc/passwd"), [{}], "deny"],
    ["reads no neighbour whose name begins the same", "Read", read(`${ground.work}2/a`), [{}], "deny"],
    ["reads a folder of dots that is its own", "Read", read(`${ground.work}/..a`), [{}], "allow"],
    ["reads no other session", "Read", read("/home/sb/spaces/2/work/a"), [{}], "deny"],
    [
      "reads nothing when one of the paths is foreign",
      "Read",
      read(`${ground.work}/a`, "/etc"),
      [{}],
      "deny",
    ],
    ["reads a folder that the tier adds", "Read", read("/srv/p/a"), [{ readFolders: ["/srv/p"] }], "allow"],
    [
      "does not write what may only be read",
      "Write",
      write("/srv/p/a"),
      [{ readFolders: ["/srv/p"] }],
      "deny",
    ],
    ["reads what may be written", "Read", read("/srv/p/a"), [{ writeFolders: ["/srv/p"] }], "allow"],
    ["writes a folder that the tier adds", "Write", write("/srv/p"), [{ writeFolders: ["/srv/p"] }], "allow"],
    [
      "reads no token though the tier adds all",
      "Read",
      read("/home/sb/token"),
      [{ readFolders: ["/"] }],
      "deny",
    ],
    [
      "writes no session though the tier adds the home",
      "Write",
      write("/home/sb/spaces/2/work/a"),
      [{ writeFolders: ["/home/sb"] }],
      "deny",
    ],
    ["runs any command when all are allowed", "Bash", command("echo $(id) > x &"), [{}], "allow"],
    [
      "runs none when none is",
      "Bash",
      command("ls"),
      [{ commands: { allow: [], ask: [], deny: [] } }],
      "deny",
    ],
    [
      "runs what is allowed",
      "Bash",
      command("ls -l && pwd"),
      [{ commands: { allow: ["ls *", "pwd"], ask: [], deny: [] } }],
      "allow",
    ],
    [
      "runs nothing when one part is not allowed",
      "Bash",
      command("ls; rm x"),
      [{ commands: { allow: ["ls *"], ask: [], deny: [] } }],
      "deny",
    ],
    [
      "runs nothing that it does not understand",
      "Bash",
      command("ls $X"),
      [{ commands: { allow: ["ls *"], ask: [], deny: [] } }],
      "deny",
    ],
    [
      "does not run what is denied though all are allowed",
      "Bash",
      command("rm -r x"),
      [{ commands: { allow: ["*"], ask: [], deny: ["rm *"] } }],
      "deny",
    ],
    [
      "asks for a command",
      "Bash",
      command("ls && git push"),
      [{ commands: { allow: ["ls *"], ask: ["git push *"], deny: [] } }],
      "ask",
    ],
    ["asks for a tool", "Read", read(ground.work), [{ ask: ["Read"] }], "ask"],
    ["denies rather than asks", "Read", read("/etc"), [{ ask: ["Read"] }], "deny"],
    [
      "fetches from the internet",
      "WebFetch",
      host("example.org", "93.184.215.14", "2606:2800::1"),
      [{}],
      "allow",
    ],
    [
      "fetches from no host that the tier does not name",
      "WebFetch",
      host("example.org", "93.184.215.14"),
      [{ hosts: ["example.com"] }],
      "deny",
    ],
    [
      "fetches below a name",
      "WebFetch",
      host("a.Example.com.", "93.184.215.14"),
      [{ hosts: ["*.example.com"] }],
      "allow",
    ],
    [
      "does not take a name's end for what is below it",
      "WebFetch",
      host("notexample.com", "93.184.215.14"),
      [{ hosts: ["*.example.com"] }],
      "deny",
    ],
    ["fetches nothing that cannot be looked up", "WebFetch", host("example.org"), [{}], "deny"],
    ["searches anywhere", "WebSearch", { kind: "search", domains: null }, [{}], "allow"],
    [
      "searches only where the tier says",
      "WebSearch",
      { kind: "search", domains: null },
      [{ hosts: ["a.org"] }],
      "deny",
    ],
    [
      "searches where the tier says",
      "WebSearch",
      { kind: "search", domains: ["a.org/x"] },
      [{ hosts: ["a.org"] }],
      "allow",
    ],
    ["searches nowhere", "WebSearch", { kind: "search", domains: [] }, [{ hosts: [] }], "deny"],
    ["denies what is unclear", "Read", { kind: "unclear", why: "Who knows." }, [{}], "deny"],
    ["denies tools that the tier does not have", "Task", read(ground.work), [{}], "deny"],
    ["denies what no rule speaks of", "Read", read(ground.work), [], "deny"],
    [
      "holds a call to the rules of all",
      "Bash",
      command("ls"),
      [{}, { commands: { allow: [], ask: [], deny: [] } }],
      "deny",
    ],
    ["asks when one of them asks", "Read", read(ground.work), [{}, { ask: ["Read"] }], "ask"],
  ];
  for (const [what, name, reach, rules, expected] of cases)
    it(what, () => {
      assert.equal(verdictOf(name, reach, ...rules).verdict, expected);
    });

  const inside = [
    ...["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"],
    ...["224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1"],
    ...["::ffff:8.8.8.8", "64:ff9b::7f00:1", "2001:db8::1", "2002:7f00:1::"],
  ];
  for (const address of inside)
    it(`fetches nothing from ${address}, by whatever name`, () => {
      assert.equal(verdictOf("WebFetch", host("example.org", "93.184.215.14", address), {}).verdict, "deny");
      assert.equal(verdictOf("WebFetch", host(address, address), {}).verdict, "deny");
    });

  for (const name of [
    "localhost",
    "LOCALHOST.",
    "printer",
    "a.local",
    "metadata.google.internal",
    "x.localhost",
  ])
    it(`fetches nothing from ${name}, whatever its address`, () => {
      assert.equal(verdictOf("WebFetch", host(name, "93.184.215.14"), {}).verdict, "deny");
    });

  it("tells Claude why, and what it may do instead", () => {
    const denied = verdictOf("Read", read("/etc/passwd"), {});
    assert.deepEqual(denied, {
      verdict: "deny",
      reason: `/etc/passwd is outside of the folders that this chat may read: work within ${ground.work}.`,
    });
  });

  it("never allows more when one more tier has a say", () => {
    const paths = fc.constantFrom(`${ground.work}/a`, "/srv/a", "/home/sb/token", "/etc");
    const reaches: fc.Arbitrary<[string, Reach]> = fc.oneof(
      paths.map((path): [string, Reach] => ["Read", read(path)]),
      paths.map((path): [string, Reach] => ["Write", write(path)]),
      fc
        .constantFrom("ls", "rm x", "ls; rm x", "a $b")
        .map((text): [string, Reach] => ["Bash", command(text)]),
      fc
        .constantFrom("a.org", "b.org", "localhost")
        .map((name): [string, Reach] => ["WebFetch", host(name, "1.1.1.1")]),
    );
    const some = (...values: string[]) => fc.subarray(values);
    const rule: fc.Arbitrary<Rules> = fc.record({
      tier: fc.constant("x"),
      readFolders: some("/srv", "/"),
      writeFolders: some("/srv", "/home"),
      commands: fc.record({ allow: some("*", "ls"), ask: some("rm *"), deny: some("rm *") }),
      hosts: some("*", "a.org"),
      ask: some("Read", "Bash"),
    });
    const order = ["deny", "ask", "allow"];
    const judged = (rules: Limits["rules"], name: string, reach: Reach) =>
      order.indexOf(judge({ name, reach }, { tools, rules }, ground).verdict);
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 3 }),
        rule,
        reaches,
        (rules, more, [name, reach]) => {
          const [all, one, before] = [[...rules, more], [more], rules].map((each) =>
            judged(each, name, reach),
          );
          assert.equal(all, Math.min(one ?? 0, before ?? 0));
        },
      ),
    );
  });
});
