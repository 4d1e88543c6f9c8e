/**
 * `sessions --watch`: the table again and again. Events say when to look, the API says what there is; many events
 * at once are one look. On a terminal the ages and the memory move on by a slow tick besides.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { HostView } from "../views.ts";
import type { Client } from "./client.ts";
import { CliError } from "./exit.ts";
import { follow } from "./follow.ts";
import { FullScreen } from "./full-screen.ts";
import { interrupted } from "./interrupt.ts";
import { printJson, printPainted } from "./print.ts";
import { chatTable, listOf, type SessionsOptions } from "./sessions.ts";
import { type Look, picture } from "./watch-picture.ts";

/** ms between two looks, at least. */
const pauseMs = 500;
/** ms. */
const tickMs = 5000;

interface Face {
  show(look: Look): void;
  close(): void;
}

/** Until it is interrupted. Rejects when the daemon stays away. */
export async function watch(client: Client, options: SessionsOptions): Promise<void> {
  let last = await look(client, options);
  const leave = interrupted();
  const isTerminal = process.stdout.isTTY && options.json !== true;
  const bell = new Bell();
  // What goes on is told of the end, never raced with it: a race with what is pending keeps what has won.
  const over = new AbortController();
  over.signal.addEventListener("abort", () => bell.ring());
  const following = listen(client, bell, leave).finally(() => over.abort());
  following.catch(() => {});
  const tick = isTerminal ? setInterval(() => bell.ring(), tickMs) : undefined;
  const face = isTerminal ? fullScreen() : lines(options.json === true);
  try {
    while (!over.signal.aborted) {
      face.show(last);
      await delay(pauseMs, undefined, { signal: over.signal }).catch(() => {});
      await bell.rung();
      last = await look(client, options, over.signal).catch((error) => stale(last, error));
    }
    await following;
  } finally {
    face.close();
    clearInterval(tick);
  }
}

/** Rings at each event. Ends when it is told to. */
async function listen(client: Client, bell: Bell, signal: AbortSignal): Promise<void> {
  const opened = () => bell.ring();
  for await (const _ of follow(client, "/v1/events?text=false", { signal, opened })) bell.ring();
}

async function look(client: Client, options: SessionsOptions, signal?: AbortSignal): Promise<Look> {
  const [list, host] = await Promise.all([
    listOf(client, options, signal),
    client.get<HostView>("/v1/host", signal),
  ]);
  return { list, host, at: Date.now(), stale: false };
}

/** How long to wait for a daemon that is away is decided by who follows its events. */
function stale(last: Look, error: unknown): Look {
  const mayComeBack = error instanceof CliError && (error.exit === "unreachable" || error.exit === "later");
  if (!mayComeBack) throw error;
  return { ...last, stale: true };
}

function fullScreen(): Face {
  let shown: Look | null = null;
  const screen = new FullScreen((size) => (shown === null ? [] : picture(shown, size)));
  return {
    show(look) {
      shown = look;
      screen.draw();
    },
    close: () => screen.close(),
  };
}

/** For a file, a pipe or a program: each state of things once. */
function lines(json: boolean): Face {
  let shown = "";
  return {
    show({ list, at }) {
      // Ages and memory are always other ones: they alone are no change.
      const state = JSON.stringify(
        list.chats.map((chat) => ({ ...chat, process: chat.process?.generation })),
      );
      if (state === shown) return;
      if (json) printJson(list);
      else {
        const table = chatTable(list.chats, at, Number.POSITIVE_INFINITY);
        printPainted(`${shown === "" ? "" : "\n"}${table.join("\n")}`);
      }
      shown = state;
    },
    close() {},
  };
}

/** Rung any number of times before somebody listens, it is one ring. */
class Bell {
  #rung = Promise.withResolvers<void>();

  ring(): void {
    this.#rung.resolve();
  }

  async rung(): Promise<void> {
    await this.#rung.promise;
    this.#rung = Promise.withResolvers();
  }
}
