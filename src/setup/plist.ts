/** The launchd agent. launchd watches nothing but that the daemon runs, and bounds no memory: the pool does. */

import { join } from "node:path";
import { environmentFile, type ServicePlan, signature } from "./service-plan.ts";

type Value = string | number | boolean | readonly string[] | { [key: string]: number };

/** launchd has no file of environment variables; a shell reads it, and becomes the daemon. */
const withEnvironment = 'set -a; [ ! -r "$0" ] || . "$0"; exec "$@"';

export function plistOf({ name, home, command, stopSeconds }: ServicePlan): string {
  const entries: Record<string, Value> = {
    Label: name,
    ProgramArguments: ["/bin/sh", "-c", withEnvironment, environmentFile(home), ...command],
    RunAtLoad: true,
    KeepAlive: true,
    ExitTimeOut: stopSeconds,
    // 077.
    Umask: 0o77,
    HardResourceLimits: { Core: 0 },
    // It holds the dashboard's address with the token.
    StandardOutPath: "/dev/null",
    StandardErrorPath: join(home, "logs", "daemon.log"),
  };
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ${signature} -->
<plist version="1.0">
${element(entries, "")}
</plist>
`;
}

/** Whether an agent of ours starts a daemon on this home. */
export function plistServes(text: string, home: string): boolean {
  return text.includes(element(home, ""));
}

function element(value: Value | Record<string, Value>, indent: string): string {
  const inner = `${indent}  `;
  if (typeof value === "string") return `${indent}<string>${escaped(value)}</string>`;
  if (typeof value === "number") return `${indent}<integer>${value}</integer>`;
  if (typeof value === "boolean") return `${indent}<${value}/>`;
  if (isList(value))
    return `${indent}<array>\n${value.map((each) => element(each, inner)).join("\n")}\n${indent}</array>`;
  const lines = Object.entries(value).map(
    ([key, each]) => `${inner}<key>${escaped(key)}</key>\n${element(each, inner)}`,
  );
  return `${indent}<dict>\n${lines.join("\n")}\n${indent}</dict>`;
}

function isList(value: object): value is readonly string[] {
  return Array.isArray(value);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
