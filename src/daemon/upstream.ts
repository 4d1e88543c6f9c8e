import { readFileSync, statSync } from "node:fs";
import type { Upstream } from "../switchboard.ts";
import { StartError } from "./start-error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the model is, by the environment variables of Anthropic's own tools; offline when none of them is set.
 * `ANTHROPIC_BASE_URL` alone is enough: an endpoint of one's own may ask for no key. The key may also stand in a file, named by
 * `ANTHROPIC_API_KEY_FILE`. `direct`: of these variables instead, which Claude's processes are given as they are.
 *
 * Throws `invalid_upstream`, never with a credential in it.
 */
export function upstreamOf(env: Environment, direct?: readonly string[]): Upstream {
  if (direct !== undefined)
    return { environment: Object.fromEntries(direct.map((name) => [name, given(env, name)])) };
  const apiKey = env.ANTHROPIC_API_KEY || keyIn(env.ANTHROPIC_API_KEY_FILE);
  const authToken = env.ANTHROPIC_AUTH_TOKEN;
  const baseUrl = env.ANTHROPIC_BASE_URL;
  if (!apiKey && !authToken && !baseUrl) return "offline";
  if (baseUrl && !/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? "")) {
    throw new StartError("invalid_upstream", `ANTHROPIC_BASE_URL is no http address: ${baseUrl}`);
  }
  return { ...(apiKey && { apiKey }), ...(authToken && { authToken }), ...(baseUrl && { baseUrl }) };
}

function given(env: Environment, name: string): string {
  const value = env[name];
  if (value) return value;
  throw new StartError(
    "invalid_upstream",
    `api.direct names ${name}, which is not in the daemon's environment`,
  );
}

function keyIn(file: string | undefined): string | undefined {
  if (!file) return undefined;
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8);
      throw new StartError(
        "invalid_upstream",
        `ANTHROPIC_API_KEY_FILE: others may read ${file} (${found}); make it 600`,
      );
    }
    const key = readFileSync(file, "utf8").trim();
    if (/^[\x21-\x7e]+$/.test(key)) return key;
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError("invalid_upstream", `ANTHROPIC_API_KEY_FILE: ${String(error)}`);
  }
  throw new StartError("invalid_upstream", `ANTHROPIC_API_KEY_FILE: ${file} holds no key, or more than one`);
}
