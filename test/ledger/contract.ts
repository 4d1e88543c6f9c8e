/**
 * What every ledger promises, whatever stores it. An implementation runs this suite on itself by `describeLedger`.
 */

import { describe, it } from "node:test";
import { acceptingPromises } from "./contract/accepting.ts";
import { approvalsPromises } from "./contract/approvals.ts";
import { chatsPromises } from "./contract/chats.ts";
import { closingPromises } from "./contract/closing.ts";
import { eventsPromises } from "./contract/events.ts";
import { followingPromises } from "./contract/following.ts";
import { importsPromises } from "./contract/imports.ts";
import { messagesPromises } from "./contract/messages.ts";
import { moneyPromises } from "./contract/money.ts";
import { ownershipPromises } from "./contract/ownership.ts";
import type { Place, PromiseTest } from "./contract/place.ts";
import { randomPromises } from "./contract/random.ts";
import { repliesPromises } from "./contract/replies.ts";
import { retentionPromises } from "./contract/retention.ts";
import { rollupsPromises } from "./contract/rollups.ts";
import { sessionsPromises } from "./contract/sessions.ts";
import { toolsPromises } from "./contract/tools.ts";
import { turnsPromises } from "./contract/turns.ts";

/** `create` makes a new, empty place for each test. */
export function describeLedger(name: string, create: () => Promise<Place>): void {
  const promise: PromiseTest = (text, body) => {
    it(text, async () => {
      const place = await create();
      let ledger = await place.open();
      try {
        await body(ledger, async () => {
          await ledger.close();
          ledger = await place.open();
          return ledger;
        });
      } finally {
        await ledger.close();
        await place.remove();
      }
    });
  };

  describe(`${name}: chats and contacts`, () => chatsPromises(promise));
  describe(`${name}: import and export`, () => importsPromises(promise));
  describe(`${name}: accepting`, () => acceptingPromises(promise));
  describe(`${name}: ownership`, () => ownershipPromises(promise));
  describe(`${name}: sessions and processes`, () => sessionsPromises(promise));
  describe(`${name}: messages and tries`, () => messagesPromises(promise));
  describe(`${name}: turns`, () => turnsPromises(promise));
  describe(`${name}: tool calls`, () => toolsPromises(promise));
  describe(`${name}: questions to a person`, () => approvalsPromises(promise));
  describe(`${name}: money`, () => moneyPromises(promise));
  describe(`${name}: retention`, () => retentionPromises(promise));
  describe(`${name}: rollups`, () => rollupsPromises(promise));
  describe(`${name}: notices and replies by a channel`, () => repliesPromises(promise));
  describe(`${name}: events`, () => eventsPromises(promise));
  describe(`${name}: following`, () => followingPromises(promise));
  describe(`${name}: closing`, () => closingPromises(promise));
  describe(`${name}: any sequence of calls`, () => randomPromises(promise));
}
