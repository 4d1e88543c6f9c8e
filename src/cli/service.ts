/** `service`: has the system's own manager keep the daemon up. Needs no daemon. */

import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import {
  type Installer,
  install,
  type ManagerName,
  type ServiceState,
  serviceText,
  status,
  uninstall,
} from "../setup/service.ts";
import { planFor, type ServicePlan } from "../setup/service-plan.ts";
import { type GlobalOptions, homeOf } from "./connect.ts";
import { CliError } from "./exit.ts";
import { printJson, printLine } from "./print.ts";

export interface ServiceOptions extends GlobalOptions {
  name: string;
  manager: ManagerName;
  system?: true;
  as?: string;
  print?: true;
}

const deeds = { install, status, uninstall };

export async function service(command: Command, deed: keyof typeof deeds): Promise<void> {
  const options = command.optsWithGlobals<ServiceOptions>();
  const plan = planOf(command, options);
  if (options.print === true) return void process.stdout.write(serviceText(plan, options.manager));
  const state = await deeds[deed](plan, installer(options.manager));
  if (options.json === true) return printJson(state);
  printLine(told(state));
  if (deed !== "install") return;
  printLine(`The model's key belongs into ${join(plan.home, "environment")} (0600): ANTHROPIC_API_KEY=…`);
  if (plan.systemUser === null && options.manager === "systemd")
    printLine("For it to run while nobody is logged in: loginctl enable-linger");
}

function told({ manager, file, installed, state }: ServiceState): string {
  if (installed === "no") return `${manager} has no such service (${file})`;
  const outdated = installed === "outdated" ? "; the file is outdated, install it again" : "";
  return `${manager}: ${state ?? "unknown"} (${file}${outdated})`;
}

function planOf(command: Command, { name, manager, system, as: user }: ServiceOptions): ServicePlan {
  const home = homeOf(command);
  const isSystem = manager === "systemd" && (system === true || user !== undefined || uid() === 0);
  const systemUser = isSystem ? (user ?? ownerOf(home)) : null;
  return planFor({ name, home, command: [...startOf(command), "--home", home], systemUser });
}

/** As this command was run, by the same Node. */
function startOf(command: Command): string[] {
  const { host, port } = command.optsWithGlobals<GlobalOptions>();
  const given = Object.entries({ host, port }).filter(
    ([key]) => command.getOptionValueSourceWithGlobals(key) !== "default",
  );
  const more = given.flatMap(([key, value]) => [`--${key}`, String(value)]);
  return [process.execPath, process.argv[1] ?? "", "start", ...more];
}

function ownerOf(home: string): string {
  try {
    return String(statSync(home).uid);
  } catch {
    throw new CliError("home_unusable", `the home ${home} is not there, so it has no owner to run as`, {
      hint: "Make it with `switchboard init`, or name the user with --as.",
    });
  }
}

function uid(): number {
  return process.getuid?.() ?? 0;
}

function installer(manager: ManagerName): Installer {
  return {
    manager,
    uid: uid(),
    userHome: homedir(),
    userConfig: process.env.XDG_CONFIG_HOME || join(homedir(), ".config"),
    run: (command, args) =>
      new Promise((resolve) => {
        execFile(command, [...args], (error, stdout, stderr) => {
          const failed = error === null ? 0 : typeof error.code === "number" ? error.code : null;
          resolve({ code: failed, stdout, stderr });
        });
      }),
  };
}
