/**
 * The Claude Code that was installed with the SDK, looked up once, when this is loaded. The SDK would do it at every start, and ask
 * `process.report` which C library this is: that stops the whole daemon while the names of all open sockets are looked up in
 * the DNS (measured with the SDK 0.3.330: 10 to 50 ms with many connections, 6 s when no DNS server answers).
 */

import { createRequire } from "node:module";

/** The version whose undocumented behaviour (frames, transcripts, environment) this code was measured against. */
export const claudeVersion = "2.1.330";

/** Undefined when there is none: the SDK says then what to do about it. */
export const claudeExecutable: string | undefined = lookUp();

function lookUp(): string | undefined {
  const sdk = "@anthropic-ai/claude-agent-sdk";
  // Installed beside the SDK, wherever that is: asked from there.
  const { resolve } = createRequire(import.meta.resolve(sdk));
  const file = process.platform === "win32" ? "claude.exe" : "claude";
  for (const system of systems()) {
    try {
      return resolve(`${sdk}-${system}/${file}`);
    } catch {
      // Not for this system.
    }
  }
  return undefined;
}

/** As the SDK's packages name them, the best fit first. */
function systems(): string[] {
  const system = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return [system];
  const musl = `${system}-musl`;
  return isMusl() ? [musl, system] : [system, musl];
}

function isMusl(): boolean {
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime === undefined;
}
