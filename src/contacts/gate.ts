/**
 * What a tool call may do: the one place where that is decided. Pure; what the call reaches for (links resolved, names
 * looked up) comes in as a fact.
 *
 * A policy has the rules of each tier that has a say in it, and a call must satisfy all of them. What no rule allows is
 * denied, and the reason is written for Claude, who reads it in place of the tool's result.
 */

import { BlockList, isIP } from "node:net";
import { relative, sep } from "node:path";
import { matchesCommand, simpleCommands } from "./commands.ts";

/** What one tier lets its tools do. */
export interface Rules {
  /** Whose rules they are, for the reason of a denial. */
  tier: string;
  /** Folders beside the session's own, absolute, links resolved. What may be written may be read. */
  readFolders: readonly string[];
  writeFolders: readonly string[];
  /** Patterns of shell commands. A command that is none of `allow` and `ask` is denied, and so is one of `deny`. */
  commands: { allow: readonly string[]; ask: readonly string[]; deny: readonly string[] };
  /** Hosts on the internet: a name, `*.name` for all below it, `*` for all. Private addresses are never among them. */
  hosts: readonly string[];
  /** Tools of which each call needs a person's yes. */
  ask: readonly string[];
}

/** What a call would touch. */
export type Reach =
  /** Absolute, links resolved. */
  | { kind: "files"; access: "read" | "write"; paths: readonly string[] }
  | { kind: "command"; command: string }
  /** `addresses`: what the name stands for now; empty when it could not be looked up. */
  | { kind: "host"; name: string; addresses: readonly string[] }
  /** A search of the web; null: anywhere. */
  | { kind: "search"; domains: readonly string[] | null }
  /** Nobody can say. */
  | { kind: "unclear"; why: string };

export interface Judged {
  name: string;
  reach: Reach;
}

export interface Limits {
  tools: readonly string[];
  rules: readonly Rules[];
}

/** The session's own ground. Absolute, links resolved. */
export interface OwnGround {
  /** May be read and written. */
  work: string;
  /** May be read: what Claude Code itself puts aside for Claude. */
  kept: readonly string[];
  /** Holds everything of Switchboard, other sessions among it. */
  home: string;
}

export type Verdict =
  | { verdict: "allow" }
  | { verdict: "deny"; reason: string }
  /** When a person says yes. */
  | { verdict: "ask"; reason: string };

const allow: Verdict = { verdict: "allow" };
const deny = (reason: string): Verdict => ({ verdict: "deny", reason });

export function judge({ name, reach }: Judged, { tools, rules }: Limits, ground: OwnGround): Verdict {
  if (!tools.includes(name)) return deny(`${name} is not among the tools of this chat.`);
  if (rules.length === 0) return deny("No rule allows it.");
  const verdicts = rules.map((rule) => judgeBy(rule, name, reach, ground));
  return (
    verdicts.find(({ verdict }) => verdict === "deny") ??
    verdicts.find(({ verdict }) => verdict === "ask") ??
    allow
  );
}

function judgeBy(rules: Rules, name: string, reach: Reach, ground: OwnGround): Verdict {
  const verdict = reachVerdict(rules, reach, ground);
  if (verdict.verdict !== "allow" || !rules.ask.includes(name)) return verdict;
  return { verdict: "ask", reason: `Tier ${rules.tier} may use ${name} only when a person allows it.` };
}

function reachVerdict(rules: Rules, reach: Reach, ground: OwnGround): Verdict {
  switch (reach.kind) {
    case "unclear":
      return deny(reach.why);
    case "files":
      return filesVerdict(rules, reach, ground);
    case "command":
      return commandVerdict(rules, reach.command);
    case "host":
      return hostVerdict(rules, reach);
    case "search":
      return searchVerdict(rules, reach.domains);
  }
}

function filesVerdict(
  { readFolders, writeFolders }: Rules,
  { access, paths }: Extract<Reach, { kind: "files" }>,
  { work, kept, home }: OwnGround,
): Verdict {
  const own = access === "read" ? [work, ...kept] : [work];
  const others = access === "read" ? [...readFolders, ...writeFolders] : writeFolders;
  const outside = paths.find((path) => {
    if (isAnyOf(own, path)) return false;
    // Whatever folders a tier adds, they never hold what belongs to other sessions, or the keys.
    return isWithin(home, path) || !isAnyOf(others, path);
  });
  if (outside === undefined) return allow;
  return deny(`${outside} is outside of the folders that this chat may ${access}: work within ${work}.`);
}

function commandVerdict({ tier, commands }: Rules, command: string): Verdict {
  const { allow: allowed, ask, deny: denied } = commands;
  if (allowed.includes("*") && ask.length === 0 && denied.length === 0) return allow;
  const parts = simpleCommands(command);
  if (parts === null)
    return deny(
      `Tier ${tier} may run simple commands only, one after the other: no variables, patterns, redirections, subshells or keywords.`,
    );
  const is = (patterns: readonly string[], words: readonly string[]) =>
    patterns.some((pattern) => matchesCommand(pattern, words));
  const refused = parts.find((words) => is(denied, words) || !(is(allowed, words) || is(ask, words)));
  if (refused !== undefined) return deny(`Tier ${tier} may not run: ${refused.join(" ")}`);
  const asked = parts.find((words) => is(ask, words));
  if (asked === undefined) return allow;
  return {
    verdict: "ask",
    reason: `Tier ${tier} may run this only when a person allows it: ${asked.join(" ")}`,
  };
}

function hostVerdict({ tier, hosts }: Rules, { name, addresses }: Extract<Reach, { kind: "host" }>): Verdict {
  if (isLocalName(name)) return deny(`${name} is no host on the internet.`);
  if (!matchesHost(hosts, name)) return deny(`Tier ${tier} may not reach ${name}.`);
  if (addresses.length === 0) return deny(`${name} could not be looked up.`);
  const local = addresses.find(isLocalAddress);
  return local === undefined ? allow : deny(`${name} is no host on the internet: its address is ${local}.`);
}

function searchVerdict({ tier, hosts }: Rules, domains: readonly string[] | null): Verdict {
  if (hosts.includes("*")) return allow;
  if (hosts.length === 0) return deny(`Tier ${tier} may not search the web.`);
  const foreign = domains?.find((domain) => !matchesHost(hosts, domain.split("/", 1)[0] ?? ""));
  if (domains !== null && domains.length > 0 && foreign === undefined) return allow;
  return deny(`Tier ${tier} may search these domains only, named in allowed_domains: ${hosts.join(", ")}`);
}

function isAnyOf(folders: readonly string[], path: string): boolean {
  return folders.some((folder) => isWithin(folder, path));
}

/** The folder itself is within it. Both absolute. */
function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`);
}

function matchesHost(patterns: readonly string[], name: string): boolean {
  const host = name.toLowerCase().replace(/\.$/, "");
  return patterns.some((pattern) => {
    const wanted = pattern.toLowerCase();
    if (wanted === "*") return true;
    return wanted.startsWith("*.") ? host.endsWith(wanted.slice(1)) : host === wanted;
  });
}

/** Names that stand for this machine or its neighbours, whatever they are looked up as. */
function isLocalName(name: string): boolean {
  const host = name.toLowerCase().replace(/\.$/, "");
  if (isIP(host) !== 0) return isLocalAddress(host);
  return !host.includes(".") || /\.(localhost|local|internal|intranet|lan|home|corp|home\.arpa)$/.test(host);
}

/** Not globally reachable, by the registries of special addresses (RFC 6890 and what came after it). */
const local = {
  4: [
    ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
    ...["192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"],
    ...["198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
  ],
  // Only 2000::/3 is given out; 64:ff9b::/96, ::ffff:0:0/96 and 2002::/16 lead back to addresses of IPv4.
  6: [...["::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]],
};

// Two lists, for in one of both kinds an address of IPv4 is looked for as if it were one of IPv6, too.
const locals = { 4: listOf(local[4], "ipv4"), 6: listOf(local[6], "ipv6") };

function listOf(nets: readonly string[], family: "ipv4" | "ipv6"): BlockList {
  const list = new BlockList();
  for (const net of nets) {
    const [address = "", bits] = net.split("/");
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** What is no address is none on the internet either. */
function isLocalAddress(address: string): boolean {
  if (isIP(address) === 6) return locals[6].check(address, "ipv6");
  return isIP(address) !== 4 || locals[4].check(address, "ipv4");
}
