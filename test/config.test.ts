import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { defaultConfig, loadConfig, parseConfig } from "../src/config.ts";
import { SwitchboardError } from "../src/errors.ts";

/** Asserts that `attempt` throws `invalid_config` with exactly this text. */
function invalid(attempt: () => unknown, message: string | RegExp, field?: string): void {
  assert.throws(attempt, (error) => {
    assert.ok(error instanceof SwitchboardError, `${error}`);
    assert.deepEqual({ code: error.code, field: error.field }, { code: "invalid_config", field });
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

describe("the config", () => {
  it("has a default for every key, so that an empty file will do", () => {
    assert.deepEqual(parseConfig("# nothing\n", "f.toml"), defaultConfig());
    assert.deepEqual(defaultConfig(), {
      log_level: "info",
      assistant: "Switchboard",
      path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      processes: {
        idle_seconds: 7200,
        health_check_seconds: 10,
        drain_seconds: 30,
        stop_seconds: 10,
        process_memory_mb: 1024,
        resume_recent: 16,
        spares: 1,
        max_waiting: 1000,
      },
      api: { patience_seconds: 600 },
      budget: {},
      prices: {},
      approvals: { wait_seconds: 1800 },
      limits: { text_bytes: 262_144, attachment_bytes: 12_000_000 },
      channels: {},
      tiers: {},
    });
  });

  it("changes what the file names and nothing else", () => {
    const toml = `
      log_level = "debug"
      [processes]
      max = 8
      idle_seconds = 0.5
      [tiers.family]
      model = "opus"
    `;
    const defaults = defaultConfig();
    assert.deepEqual(parseConfig(toml, "f.toml"), {
      ...defaults,
      log_level: "debug",
      processes: { ...defaults.processes, max: 8, idle_seconds: 0.5 },
      tiers: { family: { model: "opus" } },
    });
  });

  it("takes two limits of a process's memory in their order, equal ones too", () => {
    const parsed = parseConfig("[processes]\nprocess_memory_mb = 300\nprocess_memory_max_mb = 300", "f.toml");
    assert.equal(parsed.processes.process_memory_max_mb, 300);
  });

  const wrong: Array<[what: string, toml: string, field: string, message: string | RegExp]> = [
    [
      "a process's upper limit below its lower one",
      "[processes]\nprocess_memory_mb = 300\nprocess_memory_max_mb = 299",
      "processes.process_memory_max_mb",
      "processes.process_memory_max_mb: must not be less than process_memory_mb (found 299)",
    ],
    [
      "an unknown key",
      "loglevel = 'info'",
      "loglevel",
      'loglevel: Unrecognized key: "loglevel" (found "info")',
    ],
    [
      "an unknown key of a table",
      "[processes]\nidle = 3",
      "processes.idle",
      'processes.idle: Unrecognized key: "idle" (found 3)',
    ],
    [
      "an unknown key of a tier",
      "[tiers.admin]\ntool = []",
      "tiers.admin.tool",
      'tiers.admin.tool: Unrecognized key: "tool"',
    ],
    [
      "a word that is not among those allowed",
      "log_level = 'loud'",
      "log_level",
      /^log_level: .*"debug"\|"info"\|"warn"\|"error"\|"silent" \(found "loud"\)$/,
    ],
    [
      "the wrong type",
      "[processes]\nmax = '8'",
      "processes.max",
      'processes.max: Invalid input: expected number, received string (found "8")',
    ],
    ["a date for a word", "log_level = 2026-01-01", "log_level", /^log_level: /],
    [
      "a value where a table belongs",
      "processes = 3",
      "processes",
      /^processes: .*expected object.*\(found 3\)$/,
    ],
    [
      "a negative number",
      "[processes]\nidle_seconds = -1",
      "processes.idle_seconds",
      "processes.idle_seconds: Too small: expected number to be >0 (found -1)",
    ],
    ["no process at all", "[processes]\nmax = 0", "processes.max", /^processes.max: .*>=1 \(found 0\)$/],
    ["nobody who may wait", "[processes]\nmax_waiting = 0", "processes.max_waiting", />=1 \(found 0\)$/],
    ["fewer spares than none", "[processes]\nspares = -1", "processes.spares", />=0 \(found -1\)$/],
    ["half a process", "[processes]\nmax = 1.5", "processes.max", /^processes.max: .*int.*\(found 1.5\)$/],
    [
      "more than a number may be",
      "[processes]\nstop_seconds = 601",
      "processes.stop_seconds",
      /<=600 \(found 601\)$/,
    ],
    ["for ever", "[processes]\nidle_seconds = inf", "processes.idle_seconds", /\(found Infinity\)$/],
    ["no number", "[limits]\ntext_bytes = nan", "limits.text_bytes", /\(found NaN\)$/],
    [
      "a nameless model",
      "[tiers.admin]\nmodel = ''",
      "tiers.admin.model",
      /^tiers.admin.model: .*\(found ""\)$/,
    ],
  ];
  for (const [what, toml, field, message] of wrong) {
    it(`names key, value and what is allowed when it says ${what}`, () => {
      const expected =
        typeof message === "string"
          ? `f.toml: ${message}`
          : new RegExp(message.source.replace("^", "^f.toml: "));
      invalid(() => parseConfig(toml, "f.toml"), expected, field);
    });
  }

  it("names all that is wrong with it at once", () => {
    const toml = "log_level = 'loud'\n[processes]\nmax = 0\nidle = 3";
    invalid(
      () => parseConfig(toml, "f.toml"),
      /log_level: .*; processes.max: .*; processes.idle: /,
      "log_level",
    );
  });

  it("names the line where it is no TOML", () => {
    invalid(
      () => parseConfig("path = '/bin'\nlog_level = \n", "f.toml"),
      /^f\.toml:2: Invalid TOML document: /,
    );
    invalid(() => parseConfig("\n\n[processes\n", "f.toml"), /^f\.toml:3: /);
    invalid(() => parseConfig("path = '/bin'\npath = '/sbin'", "f.toml"), /^f\.toml:2: /);
  });
});

describe("the config file", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "switchboard-config-"));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  it("may be missing", () => {
    assert.deepEqual(loadConfig(join(folder, "switchboard.toml")), defaultConfig());
    assert.deepEqual(loadConfig(join(folder, "no", "such", "folder.toml")), defaultConfig());
  });

  it("is read and named in errors", async () => {
    const file = join(folder, "broken.toml");
    await writeFile(file, "log_level = 'warn'\n");
    assert.equal(loadConfig(file).log_level, "warn");
    await writeFile(file, "log_level = 'warn'\n[");
    invalid(() => loadConfig(file), /\/broken\.toml:2: Invalid TOML/);
  });

  it("is not taken for missing when it cannot be read", async () => {
    const file = join(folder, "folder.toml");
    await mkdir(file);
    invalid(() => loadConfig(file), /\/folder\.toml cannot be read: .*EISDIR/);
  });

  it("has prompts in files beside it, each with its own error", async () => {
    const file = join(folder, "prompts.toml");
    await writeFile(join(folder, "family.md"), "Be kind.\n");
    await writeFile(join(folder, "empty.md"), " \n");
    await writeFile(file, "[tiers.family]\nsystem_prompt_file = 'family.md'\n");
    assert.deepEqual(loadConfig(file).tiers.family, { system_prompt: "Be kind.\n" });
    const field = "tiers.bots.system_prompt_file";
    const wrong: Array<[toml: string, message: RegExp]> = [
      [
        "system_prompt_file = 'none.md'",
        /^tiers\.bots\.system_prompt_file: .*\/none\.md cannot be read: .*ENOENT/,
      ],
      ["system_prompt_file = 'empty.md'", /\/empty\.md is empty$/],
      [
        "system_prompt_file = 'family.md'\nsystem_prompt = 'x'",
        /system_prompt is set, too; keep one of them$/,
      ],
    ];
    for (const [toml, message] of wrong) {
      await writeFile(file, `[tiers.bots]\n${toml}\n`);
      invalid(() => loadConfig(file), message, field);
    }
  });
});
