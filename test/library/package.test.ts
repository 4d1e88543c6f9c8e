/**
 * The package as its users get it: packed, installed in an empty project, and used there under plain Node and under
 * TypeScript's strictest settings. What it depends on is a copy of this repository's own, from which npm removes whatever the
 * package does not declare: a package that nobody declared is missed, and nothing is fetched.
 */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { within } from "../support/eventually.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(realpathSync(tmpdir()), "switchboard-package-"));
const source = join(folder, "source");
const project = join(folder, "project");
const installed = join(project, "node_modules/switchboard");
const home = join(folder, "home");

/** npm needs its settings; what is tested gets the path alone. */
const npmEnvironment = { ...process.env, npm_config_fund: "false", npm_config_audit: "false" };
/** Heavy, and nothing that the package could need. */
const leftOut = ["node", "@biomejs", "playwright-core", ".package-lock.json"];
const environment = { PATH: process.env.PATH ?? "", HOME: folder };

const npm = (args: string[], cwd: string) => run("npm", args, { cwd, env: npmEnvironment });
const node = (args: string[], more: { env?: Record<string, string> } = {}) =>
  run(process.execPath, args, { cwd: project, env: { ...environment, ...more.env } });

/** Every switch that makes the compiler stricter, its users' declarations of libraries included. */
const strictest = {
  compilerOptions: {
    target: "es2024",
    lib: ["es2024"],
    types: ["node"],
    module: "nodenext",
    moduleResolution: "nodenext",
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: false,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noUncheckedSideEffectImports: true,
    noPropertyAccessFromIndexSignature: true,
    noImplicitOverride: true,
    noImplicitReturns: true,
    noFallthroughCasesInSwitch: true,
    noUnusedLocals: true,
    noUnusedParameters: true,
    allowUnreachableCode: false,
    allowUnusedLabels: false,
    isolatedModules: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
  },
  include: ["*.ts", "examples"],
};

/** As somebody would copy them: here they are beside the sources, there they have the package. */
function copyExamples(): void {
  const folder = join(root, "examples");
  for (const file of globSync("**/*.ts", { cwd: folder })) {
    const code = readFileSync(join(folder, file), "utf8").replace('"../src/index.ts"', '"switchboard"');
    const copy = join(project, "examples", file);
    mkdirSync(dirname(copy), { recursive: true });
    writeFileSync(copy, code);
  }
}

/** A messenger for the bot of docs/library.md: two people write, each twice, and the bot ends when all are answered. */
const messenger = `
interface Message { id: string; chat: string; name: string; text: string }
const said = ["ada: I like tea", "ben: I like coffee", "ada: What did I say?", "ben: What did I say?"];
let answers = 0;
export const messenger = {
  onMessage(handle: (message: Message) => Promise<unknown>): void {
    said.forEach((line, n) => {
      const [name = "", text = ""] = line.split(": ");
      setTimeout(() => void handle({ id: String(n), chat: name, name, text }), 50 * n);
    });
  },
  async send(chat: string, text: string): Promise<void> {
    process.stdout.write(chat + " gets: " + text + "\\n");
    answers += 1;
    if (answers >= 4) process.exit();
  },
};
`;

before(async () => {
  mkdirSync(project);
  mkdirSync(source);
  for (const name of [
    "src",
    "package.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "README.md",
    "LICENSE",
  ]) {
    cpSync(join(root, name), join(source, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(source, "node_modules"));
  await npm(["pack", "--pack-destination", folder], source);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  assert.ok(tarball, "nothing was packed");
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const tools = Object.fromEntries(
    ["typescript", "@types/node"].map((name) => [name, devDependencies[name]]),
  );
  const manifest = { private: true, type: "module", devDependencies: tools };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  const modules = join(root, "node_modules");
  const omitted = new Set(leftOut.map((name) => join(modules, name)));
  cpSync(modules, join(project, "node_modules"), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !omitted.has(path),
  });
  await npm(["install", "--offline", join(folder, tarball)], project);
  assert.equal(existsSync(join(project, "node_modules/fast-check")), false, "undeclared packages are left");
  copyExamples();
  const [, bot] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, "docs/library.md"), "utf8")) ?? [];
  assert.ok(bot, "docs/library.md shows no bot");
  writeFileSync(join(project, "bot.ts"), bot);
  writeFileSync(join(project, "messenger.ts"), messenger);
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(strictest));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe("the package", { timeout: 300_000 }, () => {
  it("holds what runs and its types, and none of the sources or tests", () => {
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
    const sources = files.filter((file) => /\.ts$/.test(file) && !file.endsWith(".d.ts"));
    assert.deepEqual(sources, []);
    assert.deepEqual(
      readdirSync(installed).sort(),
      ["LICENSE", "README.md", "dist", "node_modules", "package.json"].filter(
        (name) => name !== "node_modules" || files.includes("node_modules"),
      ),
    );
  });

  it("runs the example under plain Node, and remembers the next time", async () => {
    const first = await node(["examples/two-friends.ts"]);
    assert.match(first.stdout, /You said, newest first: "I prefer tea\."/);
    const { stdout, stderr } = await node(["examples/two-friends.ts"]);
    assert.match(stdout, /newest first: "I prefer tea\.", "I prefer tea\."/);
    assert.equal(stderr, "");
  });

  it("passes TypeScript's strictest settings, its declarations, the documented bot and the examples included", async () => {
    const { stdout } = await node(["node_modules/typescript/bin/tsc", "--project", "."]).catch(
      (error) => error,
    );
    assert.equal(stdout, "");
  });

  it("is embedded in a bot by the ten lines of the documentation", async () => {
    const { stdout } = await node(["bot.ts"]);
    assert.match(stdout, /^ada gets: .*newest first: "I like tea"/m);
    assert.match(stdout, /^ben gets: .*newest first: "I like coffee"/m);
    const [, bot = ""] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, "docs/library.md"), "utf8")) ?? [];
    assert.ok(bot.split("\n").filter((line) => line !== "" && !line.startsWith("import")).length <= 10);
  });

  it("brings the command, whose daemon answers and shows its dashboard", async () => {
    const command = join(project, "node_modules/.bin/switchboard");
    const child = spawn(process.execPath, [command, "start", "--home", home, "--port", "0", "--json"], {
      env: environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [line] = await within("the daemon has started", once(child.stdout.setEncoding("utf8"), "data"));
      const { url } = JSON.parse(line);
      const page = await (await fetch(url)).text();
      const scripts = [...page.matchAll(/src="([^"]+\.js)"/g)].map(([, path]) => path ?? "");
      assert.ok(scripts.length > 0, page);
      for (const path of scripts) assert.equal((await fetch(new URL(path, url))).status, 200, path);
      const { stdout } = await node([command, "sessions", "--home", home]);
      assert.match(stdout, /no chats/);
      await node([command, "down", "--home", home]);
    } finally {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
  });
});
