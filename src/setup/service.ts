/** Has systemd or launchd keep the daemon up, and undoes it. The managers are asked by their own commands. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { plistOf, plistServes } from "./plist.ts";
import { type ServicePlan, signature } from "./service-plan.ts";
import { unitOf, unitServes } from "./unit.ts";

export const managers = ["systemd", "launchd"] as const;
export type ManagerName = (typeof managers)[number];

export interface Ran {
  /** Null: there is no such command. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Who installs, and by what. */
export interface Installer {
  manager: ManagerName;
  uid: number;
  /** The user's home folder, and where their configuration lies: `~/.config`. */
  userHome: string;
  userConfig: string;
  run(command: string, args: readonly string[]): Promise<Ran>;
}

export interface ServiceState {
  manager: ManagerName;
  file: string;
  /** `outdated`: this installation, or this config, would write another file. */
  installed: "no" | "yes" | "outdated";
  /** In the manager's own words; null when it is not installed, or the manager says nothing. */
  state: string | null;
}

/** The operator's to mend: the text says what. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code = "service_failed";
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

export function serviceText(plan: ServicePlan, manager: ManagerName): string {
  return manager === "systemd" ? unitOf(plan) : plistOf(plan);
}

export function serviceFile({ name, systemUser }: ServicePlan, installer: Installer): string {
  const { manager, userHome, userConfig } = installer;
  if (manager === "launchd") return join(userHome, "Library", "LaunchAgents", `${name}.plist`);
  const folder = systemUser === null ? join(userConfig, "systemd", "user") : "/etc/systemd/system";
  return join(folder, `${name}.service`);
}

/** Writes the file and starts the service. One that runs goes on as it was until it is started anew. */
export async function install(plan: ServicePlan, installer: Installer): Promise<ServiceState> {
  const file = serviceFile(plan, installer);
  const there = textOf(file);
  if (there !== null) checkOurs(file, there, plan);
  mkdirSync(dirname(file), { recursive: true });
  mkdirSync(join(plan.home, "logs"), { recursive: true, mode: 0o700 });
  writeFileSync(file, serviceText(plan, installer.manager), { mode: 0o644 });
  try {
    await begin(plan, file, installer);
  } catch (error) {
    // What the manager does not take must not wait there for its next start.
    if (there === null) rmSync(file);
    else writeFileSync(file, there);
    throw error;
  }
  return await status(plan, installer);
}

async function begin(plan: ServicePlan, file: string, installer: Installer): Promise<void> {
  const tell = teller(plan, installer);
  if (installer.manager === "launchd") {
    // It is not an error that none was loaded.
    await installer.run("launchctl", ["bootout", agent(plan, installer)]);
    await tell("bootstrap", `gui/${installer.uid}`, file);
  } else {
    await tell("daemon-reload");
    await tell("enable", `${plan.name}.service`);
    await tell("start", `${plan.name}.service`);
  }
}

/** Stops the service and removes its file. The home stays as it is. */
export async function uninstall(plan: ServicePlan, installer: Installer): Promise<ServiceState> {
  const file = serviceFile(plan, installer);
  const there = textOf(file);
  if (there === null) throw new ServiceError(`there is no service: ${file} does not exist`);
  checkOurs(file, there, plan);
  const tell = teller(plan, installer);
  if (installer.manager === "launchd") await installer.run("launchctl", ["bootout", agent(plan, installer)]);
  else await tell("disable", "--now", `${plan.name}.service`);
  rmSync(file);
  if (installer.manager === "systemd") await tell("daemon-reload");
  return await status(plan, installer);
}

export async function status(plan: ServicePlan, installer: Installer): Promise<ServiceState> {
  const { manager } = installer;
  const file = serviceFile(plan, installer);
  const there = textOf(file);
  if (there === null) return { manager, file, installed: "no", state: null };
  const installed = there === serviceText(plan, manager) ? "yes" : "outdated";
  return { manager, file, installed, state: await stateOf(plan, installer) };
}

async function stateOf(plan: ServicePlan, installer: Installer): Promise<string | null> {
  if (installer.manager === "launchd") {
    const { code, stdout } = await installer.run("launchctl", ["print", agent(plan, installer)]);
    return code === 0 ? (/^\s*state = (.+)$/m.exec(stdout)?.[1] ?? null) : "not loaded";
  }
  const args = ["is-active", `${plan.name}.service`];
  const { stdout } = await installer.run("systemctl", [...scope(plan), ...args]);
  return stdout.trim() || null;
}

/** Has the manager do something; rejects with its words when it does not. */
function teller(plan: ServicePlan, { manager, run }: Installer): (...args: string[]) => Promise<void> {
  return async (...args) => {
    const command = manager === "launchd" ? "launchctl" : "systemctl";
    const { code, stderr } = await run(command, manager === "launchd" ? args : [...scope(plan), ...args]);
    if (code === 0) return;
    const said = code === null ? `there is no ${command} here` : stderr.trim() || `exit code ${code}`;
    throw new ServiceError(
      `${command} ${args.join(" ")}: ${said}`,
      "With --print the file is only shown, to be put where another manager finds it.",
    );
  };
}

function scope({ systemUser }: ServicePlan): string[] {
  return systemUser === null ? ["--user"] : [];
}

function agent({ name }: ServicePlan, { uid }: Installer): string {
  return `gui/${uid}/${name}`;
}

function checkOurs(file: string, text: string, { home }: ServicePlan): void {
  const isSigned = text.includes(signature);
  if (isSigned && (unitServes(text, home) || plistServes(text, home))) return;
  throw new ServiceError(
    `${file} ${isSigned ? "serves another home" : "was not written by Switchboard"}, and is left as it is`,
    "Name another service with --name.",
  );
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
