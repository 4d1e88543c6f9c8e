import type { Upstream } from "../switchboard.ts";
import { StartError } from "./start-error.ts";

/**
 * Where the model is, by the environment variables of Anthropic's own tools; offline when none of them is set.
 * `ANTHROPIC_BASE_URL` alone is enough: an endpoint of one's own may ask for no key.
 */
export function upstreamOf(env: Record<string, string | undefined>): Upstream {
  const apiKey = env.ANTHROPIC_API_KEY;
  const authToken = env.ANTHROPIC_AUTH_TOKEN;
  const baseUrl = env.ANTHROPIC_BASE_URL;
  if (!apiKey && !authToken && !baseUrl) return "offline";
  if (baseUrl && !/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? "")) {
    throw new StartError("invalid_upstream", `ANTHROPIC_BASE_URL is no http address: ${baseUrl}`);
  }
  return { ...(apiKey && { apiKey }), ...(authToken && { authToken }), ...(baseUrl && { baseUrl }) };
}
