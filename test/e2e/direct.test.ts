/** A provider that the gateway does not speak to: Claude's processes ask it themselves, and what the gateway would do is not done. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "../cli/rig.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { environmentOf, killHard } from "../support/processes.ts";
import { credential } from "../support/rig.ts";

const direct = 'api.direct = ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"]';
const rig = await startDaemonRig({ after }, { config: direct });
const get = async (path: string) =>
  (await (
    await fetch(`${rig.daemon.url}${path}`, { headers: { authorization: `Bearer ${rig.token}` } })
  ).json()) as {
    upstream: unknown;
    usage: unknown[];
  };

test("its processes have the named variables and reach the model with them; nothing is metered", async () => {
  assert.match((await rig.ask("ada", "one")) ?? "", /You said: "one"/);
  assert.deepEqual((await get("/v1/host")).upstream, { kind: "direct" });
  const { ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY, CLAUDE_CODE_MAX_RETRIES } = environmentOf(
    await rig.pid("ada"),
  );
  assert.deepEqual(
    [ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY, CLAUDE_CODE_MAX_RETRIES],
    [rig.model.url, credential, undefined],
  );
  assert.deepEqual((await get("/v1/usage")).usage, []);
});

test("what goes wrong there for a moment Claude Code waits out by itself", async () => {
  let failures = 2;
  const off = rig.model.script(({ kind }) => {
    if (kind !== "messages" || failures === 0) return undefined;
    failures -= 1;
    return {
      kind: "error",
      status: 529,
      type: "overloaded_error",
      message: "busy",
      headers: { "retry-after": "0" },
    };
  });
  assert.match((await rig.ask("ada", "two")) ?? "", /You said: "two"/);
  off();
});

test("a process that is killed in mid-turn is followed by one that takes the turn up", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const half = { kind: "text" as const, text: "one two", tokens: ["one ", "two"], hold: promise };
  const off = rig.script("three", half);
  const message = await rig.tell("ada", "three");
  await rig.inTranscript(message);
  off();
  killHard(await rig.pid("ada"));
  resolve();
  assert.equal((await rig.ended(message)).status, "answered");
});

test("a budget that nobody could keep is refused, and a variable that is not there, too", async () => {
  const home = join(rig.folder, "refused");
  mkdirSync(home, { mode: 0o700 });
  const started = async (toml: string, env: Record<string, string>) => {
    writeFileSync(join(home, "switchboard.toml"), toml);
    const { code, stderr } = await run(["start", "--port", "0", "--home", home], { env });
    assert.equal(code, 12);
    return stderr;
  };
  const env = { ANTHROPIC_BASE_URL: rig.model.url, ANTHROPIC_API_KEY: credential };
  assert.match(
    await started(direct, { ANTHROPIC_BASE_URL: rig.model.url }),
    /names ANTHROPIC_API_KEY, which is not/,
  );
  assert.match(
    await started(`${direct}\nbudget.usd_per_day = 1`, env),
    /budget\.usd_per_day: nothing is metered/,
  );
  const bots = `${direct}\ntiers.bots.budget.usd_per_day = 1`;
  assert.match(await started(bots, env), /tiers\.bots\.budget: nothing is metered/);
});
