/**
 * The systemd unit. Of the hardening that systemd offers only that stands here which leaves Claude's processes what they
 * need: user namespaces and mounts for the sandbox (no RestrictNamespaces, no filter of system calls, nothing that is
 * mounted over /proc or /sys, for then no namespace may mount its own), and executable memory for their JavaScript.
 */

import { environmentFile, type ServicePlan, signature } from "./service-plan.ts";

/** Seconds. The daemon says twice in that time that it is well. */
const watchdogSeconds = 120;

/** Exit code of a config that is not valid: starting again would not make it so. */
const invalidConfig = 12;

export function unitOf(plan: ServicePlan): string {
  const { home, command, systemUser, memoryHighMb, memoryMaxMb, stopSeconds } = plan;
  const network = systemUser === null ? "" : "Wants=network-online.target\nAfter=network-online.target\n";
  return `# ${signature}
[Unit]
Description=Switchboard, each contact's own Claude session
${network}StartLimitIntervalSec=0

[Service]
Type=notify
# What is told comes from a child: Node has no sockets for it.
NotifyAccess=all
${systemUser === null ? "" : `User=${systemUser}\n`}ExecStart=${command.map(quoted).join(" ")}
ExecReload=/bin/kill -HUP $MAINPID
# ANTHROPIC_API_KEY=… stands there, for the owner's eyes only.
EnvironmentFile=-${escaped(environmentFile(home))}
# It holds the dashboard's address with the token; the log is on stderr.
StandardOutput=null
Restart=always
RestartSec=2
RestartPreventExitStatus=${invalidConfig}
WatchdogSec=${watchdogSeconds}
TimeoutStartSec=120
# The daemon lets turns end and closes its processes; what is left after it is killed.
KillMode=mixed
TimeoutStopSec=${stopSeconds}
MemoryHigh=${memoryHighMb}M
MemoryMax=${memoryMaxMb}M
# One process that the system kills is the daemon's to replace.
OOMPolicy=continue
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=${systemUser === null ? "default.target" : "multi-user.target"}
`;
}

/** Whether a unit of ours starts a daemon on this home. */
export function unitServes(text: string, home: string): boolean {
  return text.includes(` ${quoted(home)}`);
}

/** One word of a command line, whatever stands in it. */
export function quoted(word: string): string {
  return `"${escaped(word.replaceAll("\\", "\\\\").replaceAll('"', '\\"')).replaceAll("$", "$$$$")}"`;
}

function escaped(text: string): string {
  return text.replaceAll("%", "%%");
}
