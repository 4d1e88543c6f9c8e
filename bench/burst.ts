/**
 * Many dormant chats get a message at once, as after a night or a broadcast: how long until the last of them has its answer.
 * All have had a conversation (pasts.ts) and no process. The rival is as many `query()` with `resume`, all at once, each on a
 * config folder of its own; its folders are made and its options built before the clock starts. There is one clock for all:
 * handing over so many takes its time, too. Switchboard is closed meanwhile: its ledger's thread makes each `query()` of the
 * same process dearer.
 *
 * The first round does not count. Beside warming up, it has the processes' memory: on a virtual machine whose host takes free
 * memory back, whoever touches it first has been seen to pay a third of the whole time for that.
 */

import { join } from "node:path";
import { chatIdOf } from "./homes.ts";
import { type Model, openModel } from "./model.ts";
import { BareChats, makeHomeOf, makePasts } from "./pasts.ts";
import { compared, latencyRow, type Row } from "./report.ts";
import type { Run } from "./run.ts";
import { askSwitchboard, exchange, inRounds } from "./sides.ts";

export interface BurstPlan {
  chats: number;
  rounds: number;
}

/** In ms: of each round the last answer, and all of them. */
interface Found {
  last: number[];
  all: number[];
}

export async function measureBurst({ chats, rounds }: BurstPlan, run: Run): Promise<Row[]> {
  await using closing = new AsyncDisposableStack();
  const model = await openModel("answers");
  closing.defer(() => model.close());
  const folder = join(run.folder, "burst");
  const pasts = await makePasts(join(folder, "pasts"), chats, model, run);
  const bareChats = await BareChats.open(join(folder, "bare"), pasts, model, run.signal);
  const openHome = await makeHomeOf(pasts, join(folder, "home"), chats, model);

  const numbers = pasts.sessionIds.keys().toArray();
  const ours: Found = { last: [], all: [] };
  const theirs: Found = { last: [], all: [] };
  const note = (found: Found, round: number, times: readonly number[]) => {
    if (round === 0) return;
    found.last.push(Math.max(...times));
    found.all.push(...times);
  };
  const askOurs = async (round: number) => {
    await using ending = new AsyncDisposableStack();
    const switchboard = await openHome();
    // A run that is ended early is in mid-turn.
    ending.defer(() => switchboard.close({ hurry: run.signal }));
    const ask = (chat: number, text: string) => askSwitchboard(switchboard, chatIdOf(chat), text);
    const asks = numbers.map((chat) => (text: string) => ask(chat, text));
    note(ours, round, await askAll(asks, model, run.signal));
  };
  const askTheirs = async (round: number) => {
    await using ending = new AsyncDisposableStack();
    const processes = await Promise.all(numbers.map((chat) => bareChats.process(chat)));
    ending.defer(async () => void (await Promise.all(processes.map((process) => process.end()))));
    const asks = processes.map((process) => (text: string) => process.ask(text));
    note(theirs, round, await askAll(asks, model, run.signal));
  };
  await inRounds(`a burst of ${chats}, the first to warm up`, 1 + rounds, [askOurs, askTheirs], run);

  const measure = `${chats} dormant chats at once`;
  const rows = (kind: keyof Found, name: string) => {
    const bare = latencyRow(`${measure}: ${name}`, "bare SDK, `resume`", theirs[kind]);
    return [compared(latencyRow(`${measure}: ${name}`, "Switchboard", ours[kind]), { bare }), bare];
  };
  return [...rows("last", "the last answer"), ...rows("all", "an answer")];
}

/** Until each has its answer, in ms from the beginning of all. */
async function askAll(
  asks: ReadonlyArray<(text: string) => Promise<void>>,
  model: Model,
  signal: AbortSignal,
): Promise<number[]> {
  const begun = performance.now();
  const answered = asks.map(async (ask) => {
    await exchange(model, signal, ask);
    return performance.now() - begun;
  });
  return await Promise.all(answered);
}
