/** What a check says, and the judgements on what was found. Pure. */

export interface Check {
  name: string;
  /** `warn`: it works, and somebody should know. */
  state: "ok" | "warn" | "fail";
  detail: string;
  remedy: string | null;
}

/** What was found of an installation; null: it could not be found out. */
export interface Facts {
  node: string;
  /** The Agent SDK: installed, and the one that this version was tested with. */
  sdk: { installed: string | null; tested: string };
  /** What the installed Claude Code says of its version, and the one that belongs to the SDK. */
  claude: { installed: string | null; tested: string };
  config: { file: string; error: string | null };
  home: { path: string; files: FileFact[] };
  disk: { freeBytes: number } | null;
  memory: { totalBytes: number; freeBytes: number };
  /** ms by which this machine's clock is ahead of the model's API. */
  clockAheadMs: number | null;
  credential: { from: string | null };
  upstream: { url: string; status: number | null; error: string | null } | null;
  setpriv: boolean;
  sandbox: { bubblewrap: boolean; socat: boolean };
  /** Tiers whose Bash is bound by no rule. */
  unboundTiers: string[];
  daemon: { url: string; pid: number } | null;
  platform: string;
}

export interface FileFact {
  path: string;
  mode: number;
  isOurs: boolean;
}

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

export function checksOf(facts: Facts): Check[] {
  return [
    node(facts),
    version("Agent SDK", facts.sdk),
    version("Claude Code", facts.claude),
    config(facts),
    ...permissions(facts),
    disk(facts),
    memory(facts),
    clock(facts),
    credential(facts),
    upstream(facts),
    guard(facts),
    walls(facts),
    daemon(facts),
  ];
}

const ok = (name: string, detail: string): Check => ({ name, state: "ok", detail, remedy: null });
const warn = (name: string, detail: string, remedy: string): Check => ({
  name,
  state: "warn",
  detail,
  remedy,
});
const fail = (name: string, detail: string, remedy: string): Check => ({
  name,
  state: "fail",
  detail,
  remedy,
});

function node({ node: found }: Facts): Check {
  const major = Number(/^v?(\d+)/.exec(found)?.[1] ?? 0);
  return major >= 24
    ? ok("Node", found)
    : fail("Node", found, "Switchboard needs Node 24: ./switchboard brings its own.");
}

function version(name: string, { installed, tested }: Facts["sdk"]): Check {
  if (installed === null) return fail(name, "not found", "Install the dependencies: npm ci.");
  if (installed === tested) return ok(name, installed);
  return warn(
    name,
    `${installed}; tested was ${tested}`,
    "Install the tested version: npm ci. What it does has been measured, not promised.",
  );
}

function config({ config: { file, error } }: Facts): Check {
  if (error === null) return ok("config", file);
  return fail("config", error, "Put it right; docs/operations.md has every key.");
}

function permissions({ home: { path, files } }: Facts): Check[] {
  if (files.length === 0) return [ok("home", `${path} is not there yet; it is made at the first start`)];
  const wrong = files.flatMap((file) => {
    if (!file.isOurs) return [`${file.path} belongs to another user`];
    return (file.mode & 0o077) === 0
      ? []
      : [`${file.path} is open to others (${(file.mode & 0o777).toString(8)})`];
  });
  if (wrong.length === 0) return [ok("home", `${path}: nobody else may enter or read`)];
  return [fail("home", wrong.join("; "), `chmod -R go= '${path}', and chown it to the daemon's user.`)];
}

function disk({ disk: found }: Facts): Check {
  if (found === null) return warn("disk", "its free space cannot be told", "Look at it by yourself.");
  const free = `${Math.round(found.freeBytes / mebibyte)} MiB free`;
  const remedy = "Make room: with a full disk nothing is accepted, and what was accepted waits.";
  if (found.freeBytes < 100 * mebibyte) return fail("disk", free, remedy);
  return found.freeBytes < gibibyte ? warn("disk", free, remedy) : ok("disk", free);
}

function memory({ memory: { totalBytes, freeBytes } }: Facts): Check {
  const detail = `${Math.round(freeBytes / mebibyte)} of ${Math.round(totalBytes / mebibyte)} MiB free; a live session takes about 120`;
  if (freeBytes >= 512 * mebibyte) return ok("memory", detail);
  return warn("memory", detail, "Make room, or bound the processes: processes.memory_mb.");
}

function clock({ clockAheadMs }: Facts): Check {
  if (clockAheadMs === null) return ok("clock", "not compared: no API was asked");
  const seconds = Math.round(clockAheadMs / 1000);
  const detail = `${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead of"} the model's API`;
  if (Math.abs(seconds) <= 60) return ok("clock", detail);
  return warn("clock", detail, "Have it set by NTP: limits end, and days begin, by it.");
}

function credential({ credential: { from } }: Facts): Check {
  if (from !== null) return ok("credential", `from ${from}`);
  return warn(
    "credential",
    "none: answers come from the offline model",
    "Set ANTHROPIC_API_KEY in the daemon's environment.",
  );
}

function upstream({ upstream: found }: Facts): Check {
  if (found === null) return ok("model", "offline");
  const { url, status, error } = found;
  if (error !== null)
    return fail("model", `${url}: ${error}`, "Look at the network, and at ANTHROPIC_BASE_URL.");
  if (status !== null && status < 300) return ok("model", `${url} answers`);
  const remedy =
    status === 401 || status === 403
      ? "The credential is refused: get another."
      : "Look what its operator says.";
  return fail("model", `${url} answered ${status}`, remedy);
}

function guard({ setpriv, platform }: Facts): Check {
  if (platform !== "linux") return ok("guard", "processes are ended at the next start when the daemon dies");
  if (setpriv) return ok("guard", "processes die with the daemon (setpriv)");
  return warn(
    "guard",
    "setpriv is missing",
    "Install util-linux: without it processes outlive a killed daemon until its next start.",
  );
}

function walls({ unboundTiers, sandbox: { bubblewrap, socat } }: Facts): Check {
  if (unboundTiers.length === 0) return ok("walls", "no tier has an unbound Bash");
  const tools = bubblewrap && socat ? "" : " (bubblewrap and socat, for a sandbox, are not here)";
  return warn(
    "walls",
    `Bash of ${unboundTiers.join(", ")} reads what the daemon's user can${tools}`,
    "Give these tiers to people whom you would give a shell, or bind them: tiers.NAME.sandbox, or .commands. `doctor --walls` tries them.",
  );
}

function daemon({ daemon: found }: Facts): Check {
  return ok("daemon", found === null ? "none runs on this home" : `process ${found.pid} at ${found.url}`);
}
