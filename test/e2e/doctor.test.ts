/** The walls of every shipped tier, tried on the real Claude Code as an operator tries them; and that a fallen one is found. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Check, WallResult } from "../../src/doctor/index.ts";
import { whyNoSandbox } from "../../src/os/index.ts";
import { run as runCli } from "../cli/rig.ts";

const folder = mkdtempSync(join(realpathSync(tmpdir()), "doctor-"));
after(() => rmSync(folder, { recursive: true }));
const tiers = ["admin", "partner", "family", "favorite", "bots"];

function homeWith(name: string, toml: string): string {
  const home = join(folder, name);
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "switchboard.toml"), toml);
  return home;
}

test("every shipped tier's walls hold; what its Bash can do is known, and said", async () => {
  const { code, stdout } = await runCli(["doctor", "--walls", "--json", "--home", homeWith("walls", "")]);
  const {
    results,
    broken,
    open,
    held,
  }: { results: WallResult[]; broken: number; open: number; held: number } = JSON.parse(stdout);
  assert.deepEqual(
    results.filter(({ verdict }) => verdict === "broken"),
    [],
  );
  assert.deepEqual([code, broken, held + open], [0, 0, results.length]);
  for (const tier of tiers) {
    const ofTier = results.filter((result) => result.tier === tier);
    assert.ok(ofTier.length >= 50, `${tier}: ${ofTier.length} attempts`);
    const known = ofTier.filter(({ verdict }) => verdict === "open");
    assert.equal(known.length > 0, tier === "admin" || tier === "partner", tier);
    assert.ok(
      known.every(({ attempt, remedy }) => attempt.startsWith("run: ") && /sandbox/.test(remedy ?? "")),
    );
  }
});

test("a wall that does not hold is named with its tier and its remedy", async () => {
  const toml = '[tiers.family]\nread_folders = ["/"]\n';
  const { code, stdout } = await runCli([
    "doctor",
    "--walls",
    "--tier",
    "family",
    "--json",
    "--home",
    homeWith("fallen", toml),
  ]);
  const { results }: { results: WallResult[] } = JSON.parse(stdout);
  const broken = results.filter(({ verdict }) => verdict === "broken");
  assert.equal(code, 1);
  assert.deepEqual(
    broken.map(({ tier, attempt }) => [tier, attempt]),
    [["family", "read a file of the system"]],
  );
  assert.match(broken[0]?.remedy ?? "", /read_folders/);
});

test("an installation is looked at as it is: what is wrong is named, and the credential is never shown", async (t) => {
  const key = "sk-ant-a-key-of-the-tests";
  const asked: unknown[] = [];
  const api = createServer((request, response) => {
    asked.push([request.url, request.headers["x-api-key"]]);
    response.writeHead(401).end(key);
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  t.after(() => void api.close());
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const home = homeWith("installation", "[processes]\nmax = 0\n");
  chmodSync(home, 0o755);
  const env = { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: url };
  const { code, stdout, stderr } = await runCli(["doctor", "--json", "--home", home], { env });
  const { checks }: { checks: Check[] } = JSON.parse(stdout);
  assert.equal(code, 1);
  assert.deepEqual(
    checks.flatMap(({ name, state }) => (state === "fail" ? [name] : [])),
    ["config", "home", "model"],
  );
  assert.match(checks.find(({ name }) => name === "config")?.detail ?? "", /processes\.max: /);
  assert.deepEqual(asked, [["/v1/messages/count_tokens", key]]);
  assert.ok(!`${stdout}${stderr}`.includes(key));
  const people = await runCli(["doctor", "--home", home], { env });
  assert.match(people.stdout, /^fail {2}home .*\(755\)$/m);
  assert.ok(!`${people.stdout}${people.stderr}`.includes(key));
});

test("in a sandbox Bash gets no further than the file tools, and works", {
  skip: whyNoSandbox("/usr/bin:/bin") ?? false,
}, async () => {
  const home = homeWith("sandbox", "[tiers.partner]\nsandbox = true\n");
  const { code, stdout } = await runCli(["doctor", "--walls", "--tier", "partner", "--json", "--home", home]);
  const { held, results }: { held: number; results: WallResult[] } = JSON.parse(stdout);
  assert.deepEqual([code, held], [0, results.length]);
});

test("a sandbox that cannot be is an error at the start, with its remedy", async () => {
  const toml = `path = "${folder}"\n[tiers.partner]\nsandbox = true\n`;
  const { code, stderr } = await runCli(["start", "--port", "0", "--home", homeWith("none", toml)]);
  assert.equal(code, 12);
  assert.match(stderr, /tiers\.partner\.sandbox: there can be no sandbox: bwrap and socat are not there/);
  assert.match(stderr, /Install bubblewrap and socat/);
});
