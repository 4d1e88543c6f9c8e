/** How the auditor reads a request, on the shapes that Claude Code was seen to send. */

import assert from "node:assert/strict";
import { it } from "node:test";
import { noncesIn } from "../../chaos/audit/reading.ts";

const [a, b, c] = ["nonce-0000000a", "nonce-0000000b", "nonce-0000000c"];
const fold = (nonce: string) =>
  `The user sent a new message while you were working:\n${nonce}\n\nThis is how`;
const call = { role: "assistant", content: [{ type: "tool_use", input: { command: `touch tool-${a}` } }] };

it("counts what contacts wrote, as text or as blocks, and not what Claude says or calls", () => {
  const messages = [
    {
      role: "user",
      content: [
        { type: "text", text: "Contact facts" },
        { type: "text", text: `hello ${a}` },
      ],
    },
    call,
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "1", content: "done" },
        { type: "tool_result", tool_use_id: "2", content: "denied", is_error: true },
      ],
    },
    { role: "assistant", content: [{ type: "text", text: `Answering ${a}` }] },
    { role: "user", content: `and ${b}\n` },
  ];
  assert.deepEqual(noncesIn({ messages }), { said: [a, b], open: [b], anywhere: [a, b], ran: ["1"] });
});

it("counts a message that was folded into a tool's result, or stands beside it", () => {
  const messages = [
    { role: "user", content: `hello ${a}` },
    call,
    {
      role: "user",
      content: [{ type: "tool_result", content: [{ type: "text", text: `done ${fold(b)}` }] }],
    },
    { role: "system", content: [{ type: "text", text: fold(c) }] },
  ];
  assert.deepEqual(noncesIn({ messages }).said, [a, b, c]);
  assert.deepEqual(noncesIn({ messages }).open, [a, b, c]);
});

it("sees a message that stands twice, and one that stands where no message should", () => {
  const messages = [{ role: "user", content: `${a} ${a}` }];
  const { said, anywhere } = noncesIn({ system: `Remember ${c}`, messages });
  assert.deepEqual(said, [a, a]);
  assert.deepEqual(anywhere.toSorted(), [a, c]);
});
