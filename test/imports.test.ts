/**
 * The floors of the house: who may import whom. Types count like values, so that nobody depends on a floor above by
 * a type either. A folder's files may always import each other.
 */

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, posix, sep } from "node:path";
import { describe, it } from "node:test";

const src = join(import.meta.dirname, "../src");

const everybodys = ["clock.ts", "config.ts", "errors.ts", "log.ts"];
const face = ["switchboard.ts", "views.ts"];
const parts = ["claude", "contacts", "gateway", "ledger", "offline", "os", "sessions"];

/** By folder or file of `src`: the folders and files that it may import. A file of its own goes before its folder. */
const floors: Record<string, readonly string[]> = {
  "cli/start.ts": ["daemon"],
  // Looks by itself: there may be no daemon to ask.
  "cli/doctor.ts": ["config.ts", "daemon/upstream.ts", "doctor"],
  // A home is backed up and restored as it lies there, with a daemon or without.
  "cli/backup.ts": ["backup", "version.ts"],
  // These need no daemon, either: they set up what it will run with.
  "cli/init.ts": ["daemon/home.ts", "setup"],
  "cli/config.ts": ["setup", "daemon/upstream.ts"],
  "cli/service.ts": ["setup"],
  // Everything else asks the daemon over HTTP.
  cli: ["version.ts"],
  // Runs in a browser: the daemon is asked over HTTP, and nothing of Node is there.
  dashboard: [],
  backup: ["ledger"],
  setup: [...everybodys, "checked.ts", "config", "channels", "os", "sessions"],
  doctor: [...everybodys, "open.ts", "switchboard.ts", "claude", "contacts", "offline"],
  daemon: [
    ...everybodys,
    "api",
    "channels",
    "open.ts",
    "switchboard.ts",
    "index.ts",
    "version.ts",
    "views.ts",
  ],
  api: [...everybodys, ...face, "contacts/inbound.ts"],
  channels: [...everybodys, "views.ts", "contacts/inbound.ts", "ledger"],
  "index.ts": [...everybodys, ...face, "channels", "feed.ts", "open.ts", ...parts],
  "open.ts": [
    ...[
      ...everybodys,
      ...face,
      "channels",
      "checked.ts",
      "event-log.ts",
      "failures.ts",
      "feed.ts",
      "metrics.ts",
    ],
    ...["opened.ts", "overview.ts", ...parts],
  ],
  "opened.ts": [
    ...[
      ...everybodys,
      ...face,
      "channels",
      "failures.ts",
      "feed.ts",
      "metrics.ts",
      "overview.ts",
      "reception.ts",
    ],
    ...["reload.ts", "timeline.ts", "version.ts", ...parts],
  ],
  "reception.ts": [...everybodys, "channels", "failures.ts", "views.ts", ...parts],
  "failures.ts": [...everybodys, "contacts", "ledger"],
  // The contract: types alone.
  "switchboard.ts": [...everybodys, "channels", "feed.ts", "views.ts", ...parts],
  "reload.ts": [...everybodys, "channels", "checked.ts", "config", "views.ts", ...parts],
  "checked.ts": [...everybodys, "channels", ...parts],
  "feed.ts": [...everybodys, "views.ts", ...parts],
  "event-log.ts": ["ledger", "log.ts"],
  "metrics.ts": ["ledger", "sessions", "views.ts"],
  "overview.ts": ["clock.ts", "ledger", "log.ts", "sessions", "views.ts"],
  "timeline.ts": ["ledger", "views.ts"],
  "views.ts": [...everybodys, ...parts],
  sessions: [...everybodys, "views.ts", "claude", "contacts", "gateway", "ledger"],
  claude: [...everybodys, "os"],
  contacts: everybodys,
  gateway: everybodys,
  ledger: everybodys,
  offline: everybodys,
  os: everybodys,
  "config.ts": ["errors.ts", "config"],
  config: [],
  "clock.ts": [],
  "errors.ts": [],
  "log.ts": [],
  "version.ts": [],
};

/** What may be imported besides, if nothing of it is left at run time: the shapes of what comes over HTTP. */
const typeFloors: Record<string, readonly string[]> = { cli: ["views.ts"], dashboard: ["views.ts"] };

/** Packages that only these folders and files know. */
const packageOwners: Array<[name: RegExp, owners: readonly string[]]> = [
  [/^@anthropic-ai\//, ["claude"]],
  // The home lock is a SQLite file, locked and without any data.
  [/^node:sqlite$/, ["ledger", "os/home-lock.ts"]],
  [/^lit-html\b/, ["dashboard"]],
];

/** All that a browser is served besides the dashboard's own files. */
const inBrowsers = /^(?:lit-html(?:\/.+)?|eventsource-parser\/stream)$/;

/** Whose business the environment of the host is. */
const environmentReaders = ["cli", "daemon"];
const environment = /\bprocess\s*\??\.\s*env\b|\}\s*=\s*process\b|\bfrom "(?:node:)?process"/;

/** Sources by their path in `src`. */
type Sources = Readonly<Record<string, string>>;

interface Import {
  specifier: string;
  /** Nothing of it is left at run time. */
  typeOnly: boolean;
}

/** One line for each import, and each use of the environment, that breaks a rule. */
function violationsOf(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([file, source]) => {
    const complaints = importsOf(source).flatMap((each) => complaintsAbout(file, each));
    if (environment.test(source) && !isIn(file, environmentReaders)) complaints.push("reads the environment");
    if (/\bimport\((?!\s*")/.test(source)) complaints.push("imports what only the run time knows");
    return complaints.map((complaint) => `${file} ${complaint}`);
  });
}

function complaintsAbout(file: string, { specifier, typeOnly }: Import): string[] {
  if (!isRelative(specifier)) {
    if (isIn(file, ["dashboard"]) && !inBrowsers.test(specifier)) return [`imports ${specifier}`];
    const owned = packageOwners.find(([name]) => name.test(specifier));
    return owned === undefined || isIn(file, owned[1]) ? [] : [`imports ${specifier}`];
  }
  const target = targetOf(file, specifier);
  const unit = unitOf(file);
  if (unitOf(target) === unit) return [];
  const allowed = floors[file] ?? floors[unit];
  if (allowed === undefined) return [`imports ${target}, but has no floor`];
  const types = typeOnly ? (typeFloors[unit] ?? []) : [];
  return isIn(target, [...allowed, ...types]) ? [] : [`imports ${target}`];
}

/** The folders of `src`, and files beside them, whose imports lead back to themselves. */
function cyclesOf(sources: Sources): string[] {
  const edges = new Map<string, Set<string>>();
  for (const [file, source] of Object.entries(sources)) {
    const unit = unitOf(file);
    const targets = edges.get(unit) ?? new Set();
    edges.set(unit, targets);
    for (const { specifier } of importsOf(source)) {
      if (isRelative(specifier)) targets.add(unitOf(targetOf(file, specifier)));
    }
    targets.delete(unit);
  }
  // Whatever imports nothing that is left, or is imported by nothing that is left, is part of no cycle.
  for (;;) {
    const imported = new Set([...edges.values()].flatMap((targets) => [...targets]));
    const free = [...edges].filter(
      ([unit, targets]) => !imported.has(unit) || ![...targets].some((target) => edges.has(target)),
    );
    if (free.length === 0) return [...edges.keys()].sort();
    for (const [unit] of free) edges.delete(unit);
  }
}

/** The imports and re-exports of a source; the stripping is done by a parser, and tells which are of types only. */
function importsOf(source: string): Import[] {
  const atRunTime = specifiersIn(stripTypeScriptTypes(source));
  const all = [...specifiersIn(source), ...specifiersInComments(source)];
  return all.map((specifier) => ({ specifier, typeOnly: !atRunTime.includes(specifier) }));
}

/** JavaScript names its types in comments. */
function specifiersInComments(source: string): string[] {
  return [...source.matchAll(/@import\s[^"\n]*"([^"]+)"/g)].flatMap(([, specifier]) => specifier ?? []);
}

function specifiersIn(source: string): string[] {
  const declarations = source.matchAll(/^(?:import|export)\s(?:[\w$*{},\s]+?\sfrom\s*)?"([^"]+)"/gm);
  const calls = source.matchAll(/\bimport\(\s*"([^"]+)"/g);
  return [...declarations, ...calls].flatMap(([, specifier]) => specifier ?? []);
}

function targetOf(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier);
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith(".");
}

/** The folder of `src` that a file lies in; the file itself when it lies in `src`. */
function unitOf(file: string): string {
  return file.split("/", 1)[0] ?? file;
}

function isIn(file: string, places: readonly string[]): boolean {
  return places.some((place) => file === place || file.startsWith(`${place}/`));
}

describe("the imports of src", () => {
  const files = globSync("**/*.{ts,js}", { cwd: src });
  const sources: Sources = Object.fromEntries(
    files.map((file) => [file.split(sep).join("/"), readFileSync(join(src, file), "utf8")]),
  );

  it("keep to the floors", () => {
    assert.deepEqual(violationsOf(sources), []);
  });

  it("make no cycles between folders", () => {
    assert.deepEqual(cyclesOf(sources), []);
  });

  it("are all seen: no file is named in a string that was not read as an import", () => {
    assert.ok("switchboard.ts" in sources);
    for (const [file, source] of Object.entries(sources)) {
      const named = source.matchAll(/"(\.\.?\/[^"\n]*\.[jt]s)"/g);
      assert.deepEqual(
        [...named].map(([, name]) => name).sort(),
        importsOf(source)
          .map(({ specifier }) => specifier)
          .filter(isRelative)
          .sort(),
        file,
      );
    }
  });
});

describe("the rules", () => {
  const broken: Array<[file: string, source: string, violation: string]> = [
    ["cli/send.ts", 'import { open } from "../open.ts";', "imports open.ts"],
    ["cli/send.ts", 'import "../daemon/daemon.ts";', "imports daemon/daemon.ts"],
    ["cli/send.ts", 'import { iso } from "../views.ts";', "imports views.ts"],
    ["cli/send.ts", 'import { type ChatView } from "../views.ts";', "imports views.ts"],
    ["cli/send.ts", 'await import("../switchboard.ts");', "imports switchboard.ts"],
    ["cli/main.ts", "await import(name);", "imports what only the run time knows"],
    ["cli/start.ts", 'export * from "../api/api.ts";', "imports api/api.ts"],
    ["daemon/daemon.ts", 'import { Manager } from "../sessions/index.ts";', "imports sessions/index.ts"],
    [
      "api/api.ts",
      'import type {\n  Ledger,\n  Message,\n} from "../ledger/index.ts";',
      "imports ledger/index.ts",
    ],
    ["dashboard/api.js", 'import { iso } from "../views.ts";', "imports views.ts"],
    ["dashboard/api.js", '/** @import { Chat } from "../ledger/ledger.ts" */', "imports ledger/ledger.ts"],
    ["dashboard/api.js", 'import { join } from "node:path";', "imports node:path"],
    ["cli/send.ts", 'import { html } from "lit-html";', "imports lit-html"],
    ["api/api.ts", 'import x from "../../test/x.ts";', "imports ../test/x.ts"],
    ["channels/signal.ts", 'import { tiersOf } from "../contacts/tiers.ts";', "imports contacts/tiers.ts"],
    ["open.ts", 'import { createApi } from "./api/api.ts";', "imports api/api.ts"],
    ["switchboard.ts", 'import { open } from "./open.ts";', "imports open.ts"],
    ["feed.ts", 'export { open } from "./open.ts";', "imports open.ts"],
    ["views.ts", 'import type { Feed } from "./feed.ts";', "imports feed.ts"],
    ["sessions/manager.ts", 'import { Feed } from "../feed.ts";', "imports feed.ts"],
    ["sessions/live.ts", 'import { sweep } from "../os/index.ts";', "imports os/index.ts"],
    [
      "sessions/live.ts",
      'import type { Options } from "@anthropic-ai/claude-agent-sdk";',
      "imports @anthropic-ai/claude-agent-sdk",
    ],
    ["claude/process.ts", 'import * as pool from "../sessions/pool.ts";', "imports sessions/pool.ts"],
    ["helpers/x.ts", 'import { silent } from "../log.ts";', "imports log.ts, but has no floor"],
    ["os/memory.ts", 'import { DatabaseSync } from "node:sqlite";', "imports node:sqlite"],
    ["log.ts", "const level = process.env.LOG_LEVEL;", "reads the environment"],
    ["os/spawn.ts", "const { env } = process;", "reads the environment"],
    ["gateway/x.ts", 'import { env } from "node:process";', "reads the environment"],
    ...["contacts", "gateway", "ledger", "offline", "os"].map((sibling): [string, string, string] => [
      `${sibling}/x.ts`,
      'export { claudeCode } from "../claude/index.ts";',
      "imports claude/index.ts",
    ]),
  ];
  for (const [file, source, violation] of broken) {
    it(`keep ${file} from saying \`${source}\``, () => {
      assert.deepEqual(violationsOf({ [file]: source }), [`${file} ${violation}`]);
    });
  }

  it("allow what the house is built of", () => {
    const allowed = {
      "cli/start.ts": 'import { runDaemon } from "../daemon/daemon.ts";\nrun(process.env);',
      "cli/send.ts": 'import type { ChatView } from "../views.ts";\nimport { Client } from "./client.ts";',
      "dashboard/api.js": '/** @import { ChatView } from "../views.ts" */\nimport { html } from "lit-html";',
      "api/api.ts": 'import * as z from "zod";\nimport { chatIdSchema } from "../contacts/inbound.ts";',
      "claude/process.ts":
        'import { query } from "@anthropic-ai/claude-agent-sdk";\nimport "../os/index.ts";',
      "ledger/sqlite/database.ts": 'import { LedgerError } from "../ledger.ts";\nimport "node:sqlite";',
      "os/home-lock.ts":
        'import { DatabaseSync } from "node:sqlite";\nimport type { Clock } from "../clock.ts";',
    };
    assert.deepEqual(violationsOf(allowed), []);
    assert.deepEqual(cyclesOf(allowed), []);
  });

  it("catch a cycle, by types and over several folders too, and nothing beside it", () => {
    const cycle = {
      "a/x.ts": 'import type { B } from "../b/x.ts";',
      "b/x.ts": 'import { c } from "../c.ts";',
      "c.ts": 'export * from "./a/y.ts";',
      "a/y.ts": 'import { x } from "./x.ts";\nimport { d } from "../d/x.ts";',
      "d/x.ts": 'import "../e/x.ts";',
      "e/x.ts": "",
      "f/x.ts": 'import "../a/x.ts";',
    };
    assert.deepEqual(cyclesOf(cycle), ["a", "b", "c.ts"]);
  });
});
