/** What a message tells the scripted model to do, as words in its text: the request alone says what comes next. */

import type { Deck, Dice } from "./dice.ts";

/** Trouble of the model's API, for the first `times` requests that name the message. */
export const troubles = ["fail-529", "fail-500", "fail-429", "hang", "reset", "cut"] as const;
export type Trouble = (typeof troubles)[number];

export interface Orders {
  readonly nonce: string;
  /** Text streams for some seconds. */
  readonly slow: boolean;
  /** Tool calls before the answer. */
  readonly tools: number;
  readonly trouble: { readonly kind: Trouble; readonly times: number } | null;
  /** Whatever process works on it is killed: it can only end by running out of tries. */
  readonly poison: boolean;
}

export function textOf({ nonce, slow, tools, trouble, poison }: Orders): string {
  const words = [
    ...(slow ? ["slow"] : []),
    ...(tools > 0 ? [`tools*${tools}`] : []),
    ...(trouble === null ? [] : [`${trouble.kind}*${trouble.times}`]),
    ...(poison ? ["poison"] : []),
  ];
  return `Please answer (${words.join(", ")}) ${nonce}`;
}

/** Null for a text that is none of ours. */
export function ordersIn(text: string): Orders | null {
  // Not the first nonce there is: the daemon's note of a lost try quotes calls, which name others.
  const [, list, nonce] = /Please answer \(([^)]*)\) (nonce-[0-9a-f]{8})/.exec(text) ?? [];
  const words = list?.split(", ");
  if (nonce === undefined || words === undefined) return null;
  const counted = (name: string) =>
    Number(words.find((word) => word.startsWith(`${name}*`))?.slice(name.length + 1) ?? 0);
  const kind = troubles.find((name) => counted(name) > 0);
  return {
    nonce,
    slow: words.includes("slow"),
    tools: counted("tools"),
    trouble: kind === undefined ? null : { kind, times: counted(kind) },
    poison: words.includes("poison"),
  };
}

/** Mostly work that takes its time, for a fault needs something to strike. Troubles are dealt, so that none is left out. */
export function throwOrders(dice: Dice, dealt: Deck<Trouble>): Orders {
  const poison = dice.chance(0.01);
  const troubled = !poison && dice.chance(0.2);
  return {
    nonce: `nonce-${dice.hex(8)}`,
    slow: poison || dice.chance(0.5),
    tools: dice.chance(0.5) ? dice.whole(1, 2) : 0,
    trouble: troubled ? { kind: dealt(), times: dice.whole(1, 2) } : null,
    poison,
  };
}
