/**
 * What may stand in `switchboard.toml`. One place for what is allowed, what it means and what holds without it: the file
 * that `init` writes and what `config check` says are made of it.
 */

import { z } from "zod";

const seconds = (fallback: number, max: number) => z.number().positive().max(max).default(fallback);

const host = z
  .string()
  .regex(/^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+)$/i, { error: "must be *, a host's name or *. before one" });

const days = z.number().positive().max(36_500);
const usd = z.number().positive().max(1_000_000);
const names = z.array(z.string().min(1));
const perMinute = z.int().min(1).max(1_000_000);

const commands = z.strictObject({
  allow: names.optional().describe("That may run."),
  ask: names.optional().describe("That may run when a person allows it."),
  deny: names.optional().describe("That may not run."),
});

const tier = z.strictObject({
  model: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "A model's name or alias as Claude Code takes it.", examples: ["sonnet"] }),
  fallback_model: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: "Asked when the model is overloaded; must differ from `model`.",
      examples: ["haiku"],
    }),
  system_prompt: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: "`{{tier}}` and `{{assistant}}` in it are replaced.",
      examples: ["You are {{assistant}}. You speak with somebody of tier {{tier}}."],
    }),
  system_prompt_file: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: "The prompt in a text file instead, relative to this file's folder.",
      examples: ["family.md"],
    }),
  tools: names
    .optional()
    .meta({ description: "The only tools that the model sees.", examples: [["Read", "Write", "Bash"]] }),
  read_folders: names.optional().meta({
    description: "Folders beside the session's own that file tools may read, absolute. Default: none.",
    examples: [["/srv/photos"]],
  }),
  write_folders: names.optional().meta({
    description: "Folders that they may also write, absolute. Default: none.",
    examples: [["/srv/notes"]],
  }),
  commands: commands.optional().meta({
    description:
      "Patterns of the commands that Bash may run (`allow`), may run when a person allows it (`ask`), and may not run (`deny`). " +
      "Default: all for admin and partner, none for others.",
    examples: [{ allow: ["ls *", "git log *"], deny: ["git log --all"] }],
  }),
  sandbox: z
    .boolean()
    .optional()
    .meta({
      description:
        "Bash runs in a sandbox (bubblewrap and socat on Linux): it reads and writes only what the file tools may, and " +
        "reaches only `hosts`. Default: false.",
      examples: [true],
    }),
  hosts: z
    .array(host)
    .optional()
    .meta({
      description:
        "Hosts that WebFetch and WebSearch may reach: a name, `*.name`, or `*`. Default: `*`. Private addresses are never reached.",
      examples: [["*.wikipedia.org"]],
    }),
  ask: names.optional().meta({
    description: "Tools of which each call needs a person's yes. Default: none.",
    examples: [["Write"]],
  }),
  budget: z
    .strictObject({
      usd_per_day: usd.optional().describe("Of all chats under this tier together."),
      usd_per_chat_day: usd.optional().describe("Of each of them."),
    })
    .optional()
    .meta({
      description:
        "USD that the model may cost in a day (UTC): all chats under this tier, and each of them. Default: no bound.",
      examples: [{ usd_per_day: 5, usd_per_chat_day: 0.5 }],
    }),
  messages_per_minute: perMinute.optional().meta({
    description: "As `limits.chat_messages_per_minute`, for this tier's chats.",
    examples: [20],
  }),
  keep: z
    .strictObject({
      messages_days: days.optional().describe("Messages that have ended, with replies and all about them."),
      events_days: days.optional().describe("Events; none outlives the messages that it tells of."),
      transcripts_days: days.optional().describe("Conversations of chats that rest, with their files."),
    })
    .optional()
    .meta({
      description:
        "Days after which ended messages (with replies, tool calls and events), events, and conversations of chats that have " +
        "rested for so long are removed. A chat in use is left alone. Default: nothing is removed.",
      examples: [{ messages_days: 90, events_days: 30, transcripts_days: 365 }],
    }),
  idle_seconds: z
    .number()
    .positive()
    .max(30 * 86_400)
    .optional()
    .meta({ description: "As `processes.idle_seconds`, for this tier.", examples: [600] }),
  queue_mode: z
    .enum(["steer", "queue", "collect", "interrupt"])
    .optional()
    .meta({
      description:
        "What becomes of a message that comes while a turn runs: `steer` (it joins), `queue`, `collect` or `interrupt`. Default: steer.",
      examples: ["queue"],
    }),
  once: names.optional().meta({
    description:
      "Tools that are not run a second time with the same input when a crash has left open what came of it. Default: none.",
    examples: [["Bash"]],
  }),
});

const price = z.strictObject({
  input: z
    .number()
    .nonnegative()
    .meta({ description: "What the model reads.", examples: [4] }),
  output: z
    .number()
    .nonnegative()
    .meta({ description: "What it writes.", examples: [20] }),
  cache_write: z
    .number()
    .nonnegative()
    .optional()
    .meta({ description: "Default: 1.25 of `input`.", examples: [5] }),
  cache_write_1h: z
    .number()
    .nonnegative()
    .optional()
    .meta({ description: "Of a cache that is kept for an hour. Default: twice `input`.", examples: [8] }),
  cache_read: z
    .number()
    .nonnegative()
    .optional()
    .meta({ description: "Default: a tenth of `input`.", examples: [0.4] }),
  web_search: z
    .number()
    .nonnegative()
    .optional()
    .meta({ description: "Each search. Default: 0.01.", examples: [0.01] }),
});

const processes = z
  .strictObject({
    max: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .meta({
        description: "Most Claude processes at once. Default: as many as usually fit into `memory_mb`.",
        examples: [40],
      }),
    memory_mb: z
      .int()
      .min(256)
      .max(100_000_000)
      .optional()
      .meta({
        description:
          "MiB that all processes may take together, their tools included. Default: 3/4 of the machine's, leaving 1 GiB at least.",
        examples: [6000],
      }),
    process_memory_mb: z
      .int()
      .min(200)
      .max(100_000_000)
      .default(1024)
      .describe("MiB above which a process is closed when its turn has ended."),
    process_memory_max_mb: z
      .int()
      .min(200)
      .max(100_000_000)
      .optional()
      .meta({
        description:
          "MiB above which a process is killed, whatever it does. Default: twice `process_memory_mb`.",
        examples: [2048],
      }),
    resume_recent: z.int().min(0).max(1000).default(16).meta({
      description:
        "So many chats that were active within `idle_seconds` are resumed at a start, in room that nobody needs.",
      restart: true,
    }),
    spares: z
      .int()
      .min(0)
      .max(100)
      .default(1)
      .describe(
        "Processes that are started ahead for chats that are yet to come, in room that nobody needs.",
      ),
    max_waiting: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1000)
      .describe("Chats that may wait for a process; messages of others are refused then (429)."),
    max_starts: z
      .int()
      .min(1)
      .max(256)
      .optional()
      .meta({
        description: "Most starts at once. Default: the number of cores.",
        examples: [2],
        restart: true,
      }),
    idle_seconds: seconds(2 * 3600, 30 * 86_400).describe(
      "A process that was idle for so long is closed; the conversation stays.",
    ),
    health_check_seconds: seconds(10, 86_400).meta({
      description: "Between two looks at a process: a hung one is found after three of these at the latest.",
      restart: true,
    }),
    drain_seconds: seconds(30, 3600).describe("How long shutdown, close and restart let running turns end."),
    stop_seconds: seconds(10, 600).describe("After so long a stopped turn's process is killed."),
  })
  .refine(
    ({ process_memory_mb, process_memory_max_mb = Infinity }) => process_memory_mb <= process_memory_max_mb,
    {
      path: ["process_memory_max_mb"],
      error: "must not be less than process_memory_mb",
    },
  );

/**
 * What stands in the file. Each key's description is what `init` writes beside it; `examples` go for keys without a
 * default; `restart`: a change of it holds from the daemon's next start on; `secret`: its value is shown to nobody.
 */
export const configSchema = z.strictObject({
  log_level: z
    .enum(["trace", "debug", "info", "warn", "error", "silent"])
    .default("info")
    .describe(
      "What is logged: trace (with what contacts and Claude write), debug (each event), info (ends and trouble), warn, error or silent.",
    ),
  assistant: z
    .string()
    .min(1)
    .max(100)
    .default("Switchboard")
    .describe("What the assistant is called: `{{assistant}}` in a system prompt."),
  path: z
    .string()
    .min(1)
    .default("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    .meta({ description: "PATH of the Claude processes and their tools.", restart: true }),
  processes: processes.prefault({}).describe("Claude processes: a bounded resource that all chats share."),
  api: z
    .strictObject({
      patience_seconds: seconds(600, 86_400).meta({
        description: "How long passing trouble with the model's API is waited out before the message fails.",
        restart: true,
      }),
      direct: z
        .array(z.string().regex(/^[A-Z][A-Z0-9_]*$/, { error: "must be a variable's name" }))
        .min(1)
        .optional()
        .meta({
          description:
            "For a provider that the gateway does not speak to: variables of the daemon's environment that Claude's processes are " +
            "given as they are. Nothing is metered or waited out then, and tools can read the credential. Default: none.",
          examples: [["CLAUDE_CODE_USE_BEDROCK", "AWS_REGION", "AWS_BEARER_TOKEN_BEDROCK"]],
          restart: true,
        }),
    })
    .prefault({})
    .describe("The model's API."),
  budget: z
    .strictObject({
      usd_per_day: usd.optional().meta({
        description: "USD that the model may cost in a day (UTC), all chats together. Default: no bound.",
        examples: [20],
      }),
    })
    .prefault({})
    .describe("Money."),
  prices: z
    .record(z.string().min(1), price)
    .default({})
    .meta({
      description:
        "By the beginning of a model's id, in USD for a million tokens, `web_search` for each: beside and before the built-in ones.",
      examples: ["claude-opus"],
    }),
  approvals: z
    .strictObject({
      wait_seconds: seconds(1800, 3000).describe(
        "How long a tool call waits for a person's yes before it is denied.",
      ),
      chat: z
        .string()
        .min(1)
        .max(256)
        .optional()
        .meta({
          description:
            "An operator's chat, in which such a question is asked, too, and answered. It must have written by a channel before.",
          examples: ["telegram:4711"],
        }),
    })
    .prefault({})
    .describe("Tool calls that need a person's yes."),
  limits: z
    .strictObject({
      text_bytes: z
        .int()
        .min(1)
        .max(10_000_000)
        .default(262_144)
        .describe("Longest text of a message, in bytes of UTF-8."),
      attachment_bytes: z
        .int()
        .min(0)
        .max(12_000_000)
        .default(12_000_000)
        .describe(
          "Bytes of all attachments of a message; 0: none are taken. What each may have besides is fixed.",
        ),
      chat_messages_per_minute: perMinute.optional().meta({
        description:
          "Messages a minute of each chat, a burst of as many at once included; faster ones are refused (429). Default: no bound.",
        examples: [60],
      }),
      messages_per_minute: perMinute.optional().meta({
        description: "The same of all chats together. Default: no bound.",
        examples: [6000],
      }),
    })
    .prefault({})
    .describe("What may come in."),
  channels: z
    .record(z.string(), z.unknown())
    .default({})
    .meta({
      description:
        "By name: ways for replies to go out by. Messages come in with `channel: NAME` over the API.",
      examples: ["bridge"],
    }),
  tiers: z
    .record(z.string(), tier)
    .default({})
    .meta({
      description: "Changes to the shipped tiers: admin, partner, family, favorite and bots.",
      examples: ["family"],
    }),
});

export type Config = z.output<typeof configSchema>;
export type TierConfig = z.output<typeof tier>;
