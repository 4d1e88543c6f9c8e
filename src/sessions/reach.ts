/**
 * What a tool call reaches for, looked up at the moment of the call: paths with their links resolved, a host with its
 * addresses. What cannot be told for sure is `unclear`, which no rule allows.
 *
 * The inputs are those of Claude Code's own tools.
 */

import { lookup } from "node:dns/promises";
import { lstat, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import type { ToolRequest } from "../claude/index.ts";
import type { Reach } from "../contacts/gate.ts";

const path = z.string().min(1);
const inputs = {
  Read: z.object({ file_path: path }),
  Write: z.object({ file_path: path }),
  Edit: z.object({ file_path: path }),
  Glob: z.object({ pattern: z.string(), path: path.optional() }),
  Grep: z.object({ path: path.optional() }),
  Bash: z.object({ command: z.string(), dangerouslyDisableSandbox: z.boolean().optional() }),
  WebFetch: z.object({ url: z.string() }),
  WebSearch: z.object({ allowed_domains: z.array(z.string()).optional() }),
};

/** `work`: the session's working directory, which is the tools' home, too. */
export async function reachOf(
  { name, input }: Pick<ToolRequest, "name" | "input">,
  work: string,
): Promise<Reach> {
  switch (name) {
    case "Read":
      return ofInput(inputs.Read, input, (call) => files("read", [call.file_path], work));
    case "Write":
      return ofInput(inputs.Write, input, (call) => files("write", [call.file_path], work));
    case "Edit":
      return ofInput(inputs.Edit, input, (call) => files("write", [call.file_path], work));
    case "Glob":
      return ofInput(inputs.Glob, input, (call) => matches(call.pattern, call.path, work));
    case "Grep":
      return ofInput(inputs.Grep, input, (call) => files("read", [call.path ?? "."], work));
    case "Bash":
      return ofInput(inputs.Bash, input, (call) =>
        call.dangerouslyDisableSandbox === true
          ? unclear("A command may not ask to be run outside of the sandbox.")
          : { kind: "command", command: call.command },
      );
    case "WebFetch":
      return ofInput(inputs.WebFetch, input, (call) => host(call.url));
    case "WebSearch":
      return ofInput(inputs.WebSearch, input, (call) => ({
        kind: "search",
        domains: call.allowed_domains ?? null,
      }));
    default:
      return unclear(`Nothing is known of what ${name} does.`);
  }
}

async function ofInput<T>(
  schema: z.ZodType<T>,
  input: unknown,
  reach: (call: T) => Reach | Promise<Reach>,
): Promise<Reach> {
  const call = schema.safeParse(input);
  return call.success ? await reach(call.data) : unclear("Its input is not understood.");
}

function unclear(why: string): Reach {
  return { kind: "unclear", why };
}

/** A pattern can lead away from the folder that it is looked for in. */
function matches(pattern: string, folder: string | undefined, work: string): Promise<Reach> | Reach {
  if (pattern.split(/[/\\{},]/).includes("..")) return unclear("A pattern with .. in it is not judged.");
  const from = folder ?? ".";
  const fixed = /^[^*?[\]{}()!+@\\]*/.exec(pattern)?.[0] ?? "";
  const leads = isAbsolute(pattern) || pattern.startsWith("~");
  // Braces may hold whole paths.
  if (/[{,]\s*[/~]/.test(pattern)) return unclear("A pattern with paths in braces is not judged.");
  return files("read", leads ? [from, fixed === pattern ? fixed : dirname(`${fixed}x`)] : [from], work);
}

async function files(access: "read" | "write", names: readonly string[], work: string): Promise<Reach> {
  const paths: string[] = [];
  for (const name of names) {
    const real = await realPath(name, work);
    if (real === null) return unclear(`Where ${name} leads cannot be told.`);
    paths.push(real);
  }
  return { kind: "files", access, paths };
}

/**
 * Where a path leads, also when there is nothing yet. Null: nobody can say, as of a link that leads nowhere, which
 * could be written through.
 */
async function realPath(name: string, work: string): Promise<string | null> {
  if (name.includes("\0") || /^~[^/]/.test(name)) return null;
  const path = resolve(work, name.startsWith("~") ? `.${name.slice(1)}` : name);
  const missing: string[] = [];
  for (let there = path; ; there = dirname(there)) {
    try {
      return join(await realpath(there), ...missing);
    } catch (error) {
      if (!isMissing(error) || (await exists(there)) || dirname(there) === there) return null;
      missing.unshift(there.slice(dirname(there).length).replace(/^\//, ""));
    }
  }
}

/** A link that leads nowhere does. */
async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function host(url: string): Promise<Reach> {
  const parsed = URL.parse(url);
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol))
    return unclear("Only addresses with http or https are fetched.");
  if (parsed.username !== "" || parsed.password !== "")
    return unclear("An address with a user in it is not fetched.");
  const name = parsed.hostname.replace(/^\[|\]$/g, "");
  const addresses = await lookup(name, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
  return { kind: "host", name, addresses };
}
