/** What a Claude process and its tools get of the host: what they need, and no secret. */
import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { toolResult } from "../support/model.ts";
import { environmentOf } from "../support/processes.ts";
import { answerOf, credential, startRig } from "../support/rig.ts";

process.env.HOST_SECRET = "the host's own secret";
const rig = await startRig({ after });
const admin = { contact: { tier: "admin" } };

/** Everything that a Claude process is given, and what the SDK and the CLI add. */
const expected = [
  "ANTHROPIC_API_KEY",
  "ANTHROPIC_BASE_URL",
  "API_TIMEOUT_MS",
  "CLAUDE_AGENT_SDK_CLIENT_APP",
  "CLAUDE_AGENT_SDK_VERSION",
  "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS",
  "CLAUDE_CODE_DISABLE_AUTO_MEMORY",
  "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
  "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
  "CLAUDE_CODE_ENTRYPOINT",
  "CLAUDE_CODE_MAX_RETRIES",
  "CLAUDE_CODE_SDK_READS_SESSION_STATE",
  "CLAUDE_CODE_TMPDIR",
  "CLAUDE_CONFIG_DIR",
  "DISABLE_AUTOUPDATER",
  "DISABLE_TELEMETRY",
  "HOME",
  "LANG",
  "PATH",
  "SHELL",
  "SWITCHBOARD_PROCESS",
  "TMPDIR",
];

test("a Claude process has the environment that was built for it, and nothing of the host's", async () => {
  await rig.say("ada", "Hello", admin);
  const env = environmentOf(await rig.pid("ada"));
  assert.deepEqual(Object.keys(env).sort(), expected);
  const space = dirname(await rig.workFolder("ada"));
  assert.deepEqual(
    [env.HOME, env.CLAUDE_CONFIG_DIR, env.TMPDIR],
    ["work", "claude", "tmp"].map((name) => join(space, name)),
  );
});

test("its tools have no more", async () => {
  rig.script("Show", { kind: "tool", name: "Bash", input: { command: "env" } });
  answerOf(await rig.say("ada", "Show", admin));
  const { text } = toolResult(await rig.lastRequest("ada"));
  assert.match(text, /^HOME=/m);
  for (const secret of [process.env.HOST_SECRET, credential]) assert.ok(!text.includes(String(secret)));
  // What the CLI and the shell (zsh, where there is one) set for a command, besides what they were given.
  const own =
    /^(CLAUDE\w*|CLAUDECODE|COREPACK_\w+|GIT_EDITOR|AI_AGENT|LOGNAME|NoDefaultCurrentDirectoryInExePath|OLDPWD|PWD|SHLVL|_)$/;
  const names = text.split("\n").map((line) => line.split("=", 1)[0] ?? "");
  assert.deepEqual(
    names.filter((name) => !expected.includes(name) && !own.test(name)),
    [],
  );
});

test("the real credential reaches the model's API, and the process has a key of its own", async () => {
  await rig.say("ben", "Hello");
  assert.equal((await rig.lastRequest("ben")).headers["x-api-key"], credential);
  const keys = await Promise.all(
    ["ada", "ben"].map(async (chatId) => environmentOf(await rig.pid(chatId)).ANTHROPIC_API_KEY),
  );
  assert.ok(!keys.includes(credential) && keys[0] !== keys[1]);
  const url = environmentOf(await rig.pid("ben")).ANTHROPIC_BASE_URL;
  assert.ok(url);
  const answer = await fetch(`${url}/v1/messages`, { method: "POST", headers: { "x-api-key": credential } });
  assert.equal(answer.status, 401, "the gateway takes a key that it did not give");
});

test("the key of a process is worth nothing when the process is gone", async () => {
  const { ANTHROPIC_API_KEY = "", ANTHROPIC_BASE_URL = "" } = environmentOf(await rig.pid("ben"));
  const ask = async () => {
    const init = { method: "POST", headers: { "x-api-key": ANTHROPIC_API_KEY }, body: "{}" };
    return (await fetch(`${ANTHROPIC_BASE_URL}/v1/messages`, init)).status;
  };
  assert.equal(await ask(), 400);
  await rig.switchboard.closeChat("ben");
  assert.equal(await ask(), 401);
});

test("each session has folders of its own, which only the daemon's user may enter", async () => {
  await rig.say("ben", "Hello again");
  const spaces = await Promise.all(
    ["ada", "ben"].map(async (chatId) => dirname(await rig.workFolder(chatId))),
  );
  assert.notEqual(spaces[0], spaces[1]);
  for (const space of spaces) {
    for (const folder of [
      rig.home,
      dirname(space),
      space,
      ...["work", "claude", "tmp"].map((name) => join(space, name)),
    ]) {
      assert.equal((statSync(folder).mode & 0o777).toString(8), "700", folder);
    }
  }
});

test("the real credential is in no process, no log and no file, even if the API repeats it", async (t) => {
  const own = await startDaemonRig(t, { config: 'log_level = "debug"' });
  const forms = [
    credential,
    ...(["base64", "base64url", "hex"] as const).map((as) => Buffer.from(credential).toString(as)),
  ];
  const holdsKey = (text: string) => forms.some((form) => text.includes(form));
  const error = { kind: "error", type: "invalid_request_error", message: `bad key ${credential}` } as const;
  own.script("Refuse", { ...error, status: 400 });
  await own.ask("ada", "Hello");
  await own.ended(await own.tell("ada", "Refuse"));
  // What the API says of a refused key is shown to the operator, and why the chat is parked is written down.
  const off = own.script("Refuse for good", { ...error, type: "authentication_error", status: 401 });
  const refused = await own.tell("ada", "Refuse for good");
  await eventually("the chat is parked", async () => (await own.message(refused)).waiting?.for === "limit");
  const children = own.processes();
  for (const { pid } of children) {
    for (const file of ["environ", "cmdline"])
      assert.ok(!holdsKey(readFileSync(`/proc/${pid}/${file}`, "latin1")), file);
  }
  const files = globSync("**/{*,.*}", { cwd: own.home }).map((name) => join(own.home, name));
  const contents = files.flatMap((file) =>
    statSync(file, { throwIfNoEntry: false })?.isFile() ? [[file, readFileSync(file, "latin1")]] : [],
  );
  assert.ok(
    contents.some(([, text = ""]) => text.includes("bad key [credential]")),
    "the error was written down nowhere",
  );
  assert.deepEqual(
    contents.flatMap(([file, text = ""]) => (holdsKey(text) ? [file] : [])),
    [],
  );
  const { stdout, stderr } = own.daemon.output;
  assert.match(`${stdout}${stderr}`, /"level":20|an attempt at the model/);
  assert.ok(!holdsKey(`${stdout}${stderr}`));
  off();
});
