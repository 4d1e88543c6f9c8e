/** The command line: what can be said, and how it ends. `start` runs the daemon; everything else asks it over HTTP. */

import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { version } from "../version.ts";
import { act, down, forget, reload } from "./actions.ts";
import { answer, approvals } from "./approvals.ts";
import { type ChatOptions, chat } from "./chat.ts";
import { complete } from "./completion/complete.ts";
import { type Shell, scriptFor, shells } from "./completion/scripts.ts";
import { connect, type GlobalOptions, globalOptions, homeOf } from "./connect.ts";
import { CliError, exitList, exits } from "./exit.ts";
import { type LogOptions, log } from "./log.ts";
import { admit, dismiss, pending } from "./pending.ts";
import { printJson, redError } from "./print.ts";
import { exportRegistry, importRegistry } from "./registry.ts";
import { type FailedOptions, failed, retry } from "./replies.ts";
import { queueModes, type SendOptions, send, tiers } from "./send.ts";
import { chatStates, type SessionsOptions, sessions } from "./sessions.ts";
import { show, showMessage } from "./show.ts";
import { status } from "./status.ts";
import { allowMore, type UsageOptions, usage } from "./usage.ts";
import { watch } from "./watch.ts";

function program(): Command {
  const root = new Command("switchboard")
    .description("Every contact of a messaging bot has their own persistent Claude session.")
    .version(version, "--version", "print the version")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text)) })
    .addHelpText("after", `\n${exitList()}`);
  for (const option of globalOptions()) root.addOption(option);

  root
    .command("start")
    .description("run the daemon, in the foreground")
    .action(async (_, command: Command) => {
      const { start } = await import("./start.ts");
      await start({ ...command.optsWithGlobals<GlobalOptions>(), home: homeOf(command) });
    });

  contactOptions(root.command("send").argument("<chat>").argument("<text>", "- reads it from stdin"))
    .description("send a message")
    .option("--wait [seconds]", "print the answer; without a number wait until there is one", seconds)
    .option("--id <id>", "the message's id: the same one again is the same message")
    .option("--attach <files...>", "send pictures, PDFs or texts along")
    .action(async (chatId: string, text: string, _, command: Command) => {
      await send(connect(command), chatId, text, command.optsWithGlobals<SendOptions>());
    });

  contactOptions(root.command("chat").argument("<chat>"))
    .description("talk in the terminal; Ctrl-C stops the answer, and leaves when there is none")
    .action(async (chatId: string, _, command: Command) => {
      const answered = await chat(connect(command), chatId, command.optsWithGlobals<ChatOptions>());
      if (!answered) process.exitCode = exits.failed.code;
    });

  root
    .command("status")
    .description("how it goes: the daemon, what waits and for what, today's turns, times and cost")
    .action((_, command: Command) => status(connect(command), command.optsWithGlobals()));

  root
    .command("sessions")
    .description("list the chats, most recently active first")
    .option("--limit <number>", "at most so many", whole, 100)
    .addOption(new Option("--state <state>", "only those").choices(chatStates))
    .option(
      "--watch",
      "go on showing them as they change, until Ctrl-C; without a terminal a table for each change",
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<SessionsOptions & { watch?: true }>();
      return options.watch === true ? watch(connect(command), options) : sessions(connect(command), options);
    });

  root
    .command("log")
    .argument("<chat>")
    .description("show a chat's last messages and replies")
    .option("--limit <number>", "at most so many", whole, 20)
    .option("--follow", "go on as more happens, until Ctrl-C")
    .action((chatId: string, _, command: Command) =>
      log(connect(command), chatId, command.optsWithGlobals<LogOptions>()),
    );

  root
    .command("show")
    .argument("<chat>")
    .argument("[message]", "the id of one message: show its whole way")
    .description("show a chat, its last messages, and what became of them and why")
    .action((chatId: string, messageId: string | undefined, _, command: Command) =>
      messageId === undefined
        ? show(connect(command), chatId, command.optsWithGlobals())
        : showMessage(connect(command), chatId, messageId, command.optsWithGlobals()),
    );

  const actions = {
    stop: "end the running turn and every waiting message",
    close: "close the process when its turn has ended; the conversation stays",
    restart: "close the process and start another on the same session",
    reset: "stop, and begin a new session",
    "undo-reset": "bring back the session before the last reset",
    wake: "start the process ahead of a message that is likely to come",
  };
  for (const [action, description] of Object.entries(actions)) {
    root
      .command(action)
      .argument("<chat>")
      .description(description)
      .action((chatId: string, _, command: Command) =>
        act(connect(command), chatId, action, command.optsWithGlobals()),
      );
  }

  root
    .command("failed")
    .description(
      "list the replies that their channel did not get out, or of which nobody knows, oldest first",
    )
    .option("--limit <number>", "at most so many", whole, 100)
    .action((_, command: Command) => failed(connect(command), command.optsWithGlobals<FailedOptions>()));

  root
    .command("retry")
    .argument("<reply>")
    .description("send a reply again that failed or is uncertain")
    .action((replyId: string, _, command: Command) =>
      retry(connect(command), replyId, command.optsWithGlobals()),
    );

  root
    .command("approvals")
    .description("list the tool calls that wait for a person's yes, the most urgent first")
    .action((_, command: Command) => approvals(connect(command), command.optsWithGlobals()));

  const answers = {
    approve: "let a tool call that waits run, once",
    deny: "don't let a tool call run",
  } as const;
  for (const [how, description] of Object.entries(answers)) {
    root
      .command(how)
      .argument("<question>")
      .description(description)
      .option("--by <name>", "who says so; default: operator")
      .action((id: string, _, command: Command) =>
        answer(connect(command), id, how === "approve" ? "approve" : "deny", command.optsWithGlobals()),
      );
  }

  root
    .command("doctor")
    .description("look whether everything is as it should be; needs no daemon")
    .option(
      "--walls",
      "try to break out of a chat of each tier, on a home made for it, with a scripted model",
    )
    .addOption(new Option("--tier <tier>", "with --walls: of this tier alone").choices(tiers))
    .action(async (_, command: Command) => {
      const { doctor, walls } = await import("./doctor.ts");
      const options = command.optsWithGlobals<GlobalOptions & { walls?: true; tier?: string }>();
      const given = { ...options, home: homeOf(command) };
      await (options.walls === true ? walls(given) : doctor(given));
    });

  root
    .command("backup")
    .argument("<file>", "must not be there; best on another disk")
    .description("save the home to one file, while its daemon goes on working")
    .action(async (file: string, _, command: Command) => {
      const { backup } = await import("./backup.ts");
      await backup(file, { ...command.optsWithGlobals<GlobalOptions>(), home: homeOf(command) });
    });

  root
    .command("restore")
    .argument("<file>")
    .description("make a home of a backup; the home must be empty or not there")
    .action(async (file: string, _, command: Command) => {
      const { restoreHome } = await import("./backup.ts");
      await restoreHome(file, { ...command.optsWithGlobals<GlobalOptions>(), home: homeOf(command) });
    });

  root
    .command("forget")
    .argument("<chat>")
    .description("remove all that is known of a chat: messages, conversation, files")
    .option("--yes", "really: it cannot be undone")
    .action((chatId: string, _, command: Command) =>
      forget(connect(command), chatId, command.optsWithGlobals()),
    );

  root
    .command("pending")
    .description("list the chats that nobody has named and whose messages were refused")
    .action((_, command: Command) => pending(connect(command), command.optsWithGlobals()));

  root
    .command("admit")
    .argument("<chat>")
    .description("name a chat: its next message is accepted")
    .addOption(new Option("--tier <tier>", "what it is trusted with").choices(tiers).makeOptionMandatory())
    .option("--name <name>", "default: as its messages call it")
    .action((chatId: string, _, command: Command) =>
      admit(connect(command), chatId, command.optsWithGlobals()),
    );

  root
    .command("dismiss")
    .argument("<chat>")
    .description("take a chat off the pending ones; it comes back when it writes again")
    .action((chatId: string, _, command: Command) =>
      dismiss(connect(command), chatId, command.optsWithGlobals()),
    );

  root
    .command("usage")
    .argument("[chat]", "default: all chats together")
    .description("what the model has cost, by day (UTC), tier and model")
    .option("--days <number>", "so many days back, today included", whole, 1)
    .action((chatId: string | undefined, _, command: Command) =>
      usage(connect(command), chatId, command.optsWithGlobals<UsageOptions>()),
    );

  root
    .command("allow-more")
    .argument("<usd>", "so much beyond the budget", dollars)
    .description("allow more than the budget for today: to a chat, to a tier, or to all")
    .option("--chat <chat>", "to this chat alone")
    .addOption(new Option("--tier <tier>", "to the chats under this tier").choices(tiers))
    .action((usd: number, _, command: Command) =>
      allowMore(connect(command), usd, command.optsWithGlobals()),
    );

  root
    .command("export")
    .argument("[file]", "default: stdout")
    .description("write all contacts as sessions.json")
    .action((file: string | undefined, _, command: Command) =>
      exportRegistry(connect(command), file, command.optsWithGlobals()),
    );

  root
    .command("import")
    .argument("<file>", "- reads it from stdin")
    .description("take contacts over from a sessions.json, all of them or none")
    .option("--map-tier <theirs=ours>", "what a tier of the file is called here, once for each", collected)
    .option(
      "--transcripts <folder>",
      "their Claude config folder, on the daemon's machine (default: ~/.claude if it is there and the home names the daemon)",
    )
    .option("--no-transcripts", "leave their conversations behind")
    .action((file: string, _, command: Command) =>
      importRegistry(connect(command), file, command.optsWithGlobals()),
    );

  root
    .command("init")
    .description(
      "write a switchboard.toml into the home: every key, its default and what it means; needs no daemon",
    )
    .action(async (_, command: Command) => {
      const { init } = await import("./init.ts");
      init({ ...command.optsWithGlobals<GlobalOptions>(), home: homeOf(command) });
    });

  const config = root.command("config").description("the configuration");
  config
    .command("check")
    .description(
      "say of each value whether it is a default or what sets it, or what is wrong; needs no daemon",
    )
    .action(async (_, command: Command) => {
      const { checkConfig } = await import("./config.ts");
      checkConfig(command);
    });

  const keeper = root.command("service").description("have systemd or launchd keep the daemon up");
  const deeds = {
    install: "write its file, and start it",
    status: "say whether it is installed, and how it is",
    uninstall: "stop it, and remove its file; the home stays",
  } as const;
  for (const deed of ["install", "status", "uninstall"] as const) {
    const command = keeper
      .command(deed)
      .description(deeds[deed])
      .option("--name <name>", "of the service", "switchboard")
      .option("--system", "for the whole machine instead of for you; what root does anyway")
      .option("--as <user>", "with --system: who runs it (default: the home's owner)")
      .addOption(
        new Option("--manager <manager>", "default: the system's")
          .choices(["systemd", "launchd"])
          .default(process.platform === "darwin" ? "launchd" : "systemd"),
      );
    if (deed === "install") command.option("--print", "show the file instead of installing it");
    command.action(async (_, given: Command) => {
      const { service } = await import("./service.ts");
      await service(given, deed);
    });
  }

  root
    .command("reload")
    .description(
      "have the daemon read switchboard.toml again: all of it, or nothing if something is not valid",
    )
    .action((_, command: Command) => reload(connect(command), command.optsWithGlobals()));

  root
    .command("down")
    .description("end the daemon and wait until it is gone")
    .action((_, command: Command) => down(connect(command), command.optsWithGlobals()));

  root
    .command("completion")
    .addArgument(new Argument("<shell>").choices(shells))
    .description("print what makes Tab complete commands, options and chat ids in bash, zsh or fish")
    .addHelpText("after", `\n${completionHelp}`)
    .action((shell: Shell) => void process.stdout.write(scriptFor(shell)));

  root
    .command("complete", { hidden: true })
    .addArgument(new Argument("<shell>").choices(shells))
    .argument("[words...]")
    .action(async (shell: Shell, words: string[]) => {
      for (const line of await complete(root, shell, words)) process.stdout.write(`${line}\n`);
    });
  return root;
}

const completionHelp = `Put one of these into the shell's start file:
  ~/.bashrc                   source <(switchboard completion bash)
  ~/.zshrc                    source <(switchboard completion zsh)
  ~/.config/fish/config.fish  switchboard completion fish | source`;

function contactOptions(command: Command): Command {
  return command
    .option("--name <name>", "the contact's name")
    .addOption(new Option("--tier <tier>", "what the contact may").choices(tiers))
    .option("--group", "several people speak in this chat")
    .addOption(
      new Option(
        "--queue-mode <mode>",
        "what becomes of a message that comes while Claude works; tier: as the tier says",
      ).choices(queueModes),
    );
}

/** All values of an option that may be given again. */
function collected(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("Not a number of seconds.");
  return value;
}

function dollars(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("Not a number of USD.");
  return value;
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Not a whole number from 1 on.");
  return Number(text);
}

/** Commander's errors in our words, its suggestion on the same line. */
function oneLine(text: string): string {
  return text.replace(/^error: /, `${redError("switchboard:")} `).replace("\n(", " (");
}

/** One line on stderr; with `--json` the same as JSON on stdout. */
function report(error: unknown, json: boolean): number {
  // It has said so itself.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exits.ok.code : exits.usage.code;
  const { message, hint, exit, shown } = cliError(error);
  const line = hint === undefined ? message : `${message.replace(/\.$/, "")}. ${hint}`;
  process.stderr.write(`${redError("switchboard:")} ${line.trimEnd().replaceAll("\n", " ")}\n`);
  if (json) printJson(shown);
  return exits[exit].code;
}

/** The daemon's own errors bear a code and a hint too; what bears none is a defect. */
function cliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (!(error instanceof Error)) return new CliError("internal", String(error));
  const code = "code" in error && typeof error.code === "string" ? error.code : "internal";
  const hint = "hint" in error && typeof error.hint === "string" ? error.hint : undefined;
  return new CliError(code, error.message, { hint });
}

// Whoever reads may stop reading (`| head`).
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exits.ok.code);
  throw error;
});

const root = program();
try {
  await root.parseAsync();
} catch (error) {
  process.exitCode = report(error, root.opts<GlobalOptions>().json === true);
}
// What is said has left by then; what a daemon may have left open does not keep it alive.
process.stdout.write("", () => process.exit());
