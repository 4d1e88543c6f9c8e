import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Look, picture } from "../../src/cli/watch-picture.ts";
import type { ChatState, ChatView } from "../../src/views.ts";

describe("the picture of sessions --watch", () => {
  const chat = (state: ChatState): ChatView => ({
    chatId: `a-${state}-chat`,
    contact: { name: "Ada", tier: "family", group: false, queueMode: null },
    sessionName: "ada",
    sessionId: null,
    state,
    held: null,
    process: { pid: 1, generation: 1, memoryBytes: 150 * 2 ** 20, since: "" },
    queued: 2,
    lastMessageAt: null,
    createdAt: "",
    usage: { turns: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 },
  });
  const look = (states: ChatState[], more: Partial<Look> = {}): Look => ({
    list: { chats: states.map(chat), next: null },
    host: {
      version: "0",
      pid: 1,
      since: "",
      state: "running",
      upstream: { kind: "offline" },
      trouble: null,
      channels: [],
      tiers: [],
      processes: { live: 3, max: 8, waiting: 0, memoryBytes: 3, memoryBytesMax: 8, spares: 0 },
      config: { since: "", refused: null, restart: [] },
    },
    at: new Date(2026, 0, 10, 9, 5, 7).getTime(),
    stale: false,
    ...more,
  });
  const window = { columns: 80, rows: 24 };

  it("counts the chats by state, and the processes", () => {
    const [counts] = picture(look(["busy", "dormant", "busy", "starting"]), window);
    assert.equal(counts, "4 chats · 1 starting · 2 busy · 1 dormant · 3 of 8 processes · 09:05:07");
  });

  it("shows what each holds and has to do", () => {
    const [, , row] = picture(look(["busy"]), window);
    assert.equal(row, "a-busy-chat  Ada   family  busy   2     150 MiB  never");
  });

  it("says what ails the model's API, in a line that fits", () => {
    const ailing = look(["parked"]);
    const at = new Date(2026, 0, 10, 14, 0).toISOString();
    ailing.host.trouble = { kind: "limit", since: at, until: at, message: "x\n".repeat(100) };
    const [, trouble, titles] = picture(ailing, window);
    assert.match(trouble ?? "", /^The model's API .*usage limit.*…$/);
    assert.equal(trouble?.length, 80);
    assert.match(titles ?? "", /^CHAT/);
    const many = look(Array<ChatState>(9).fill("parked"), { host: ailing.host });
    assert.equal(picture(many, { columns: 80, rows: 11 }).at(-1), "… 2 more");
    for (let rows = 1; rows < 6; rows++) assert.ok(picture(ailing, { columns: 80, rows }).length <= rows);
  });

  it("says that the daemon is away, and since when", () => {
    const [heading, , row] = picture(look(["busy"], { stale: true }), window);
    assert.equal(heading, "The daemon does not answer; this is how it was at 09:05:07");
    assert.match(row ?? "", /^a-busy-chat/);
  });

  it("has no more lines than the window, and says what it leaves out", () => {
    const many = look(Array<ChatState>(9).fill("idle"));
    for (let rows = 1; rows < 15; rows++) assert.ok(picture(many, { columns: 80, rows }).length <= rows);
    assert.equal(picture(many, { columns: 80, rows: 11 }).length, 11);
    assert.equal(picture(many, { columns: 80, rows: 10 }).at(-1), "… 2 more");
    many.list.next = "more";
    assert.equal(picture(many, { columns: 80, rows: 10 }).at(-1), "… 2 more, and those beyond --limit");
    assert.match(picture(many, window)[0] ?? "", /^9 chats and more · 9 idle/);
  });
});
