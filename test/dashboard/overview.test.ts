/** How it goes, over all chats and behind one: the dashboard's numbers are those of the ledger's file. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import { hostSchema } from "../../src/api/schemas.ts";
import { durationWords, memoryWords, moneyWords } from "../../src/dashboard/words.js";
import { skip, startBrowser, type Visitor, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";

describe("the overview in the dashboard", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after });
  const browser = await startBrowser({ after });
  const enter = (t: Parameters<typeof visit>[0], expected?: RegExp) =>
    visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`, { ...(expected && { expected }) });
  rig.script("Fail", { kind: "error", status: 400, type: "invalid_request_error", message: "scripted" });
  rig.script("Hang", { kind: "hang" });
  rig.script("List it", { kind: "tool", name: "Bash", input: { command: "echo here" } });
  const contact = (name: string) => ({ contact: { name, tier: "admin" } });

  /** One row of the ledger's file, as it is on disk. */
  function asked(sql: string): Record<string, unknown> {
    const db = new DatabaseSync(join(rig.home, "switchboard.db"), { readOnly: true });
    try {
      return db.prepare(sql).get() ?? {};
    } finally {
      db.close();
    }
  }
  const tile = (visitor: Visitor, name: string) => visitor.page.getByRole("region", { name, exact: true });

  test("shows the ledger's numbers of today, what waits and for what, and what happened last", async (t) => {
    for (const text of ["one", "two", "Fail"]) await rig.ended(await rig.tell("ada", text, contact("Ada")));
    await rig.tell("bob", "Hang", contact("Bob"));
    await rig.requestWith("Hang");
    const visitor = await enter(t);

    const { turns, chats } = asked(
      "SELECT (SELECT count(*) FROM turns WHERE ended_at IS NOT NULL) AS turns, (SELECT count(*) FROM chats) AS chats",
    );
    assert.deepEqual([turns, chats], [3, 2]);
    await tile(visitor, "Turns today").getByText(`${turns}`, { exact: true }).waitFor();
    await tile(visitor, "Turns today").getByText("2 answered, 1 failed").waitFor();
    await tile(visitor, "Messages that wait").getByText("1 for the model").waitFor();

    const { cost } = asked("SELECT sum(cost) AS cost FROM spending");
    await tile(visitor, "Cost today")
      .getByText(moneyWords(Number(cost) / 1e9), { exact: true })
      .waitFor();

    const { slowest } = asked(
      "SELECT max(ended_at - accepted_at) AS slowest FROM messages WHERE status = 'answered'",
    );
    const words = await tile(visitor, "Time to the answer")
      .getByText(/^half of today's/)
      .innerText();
    const told = Array.from({ length: Math.ceil(Number(slowest) * 0.1) + 2 }, (_, n) =>
      durationWords(Number(slowest) + n),
    );
    assert.ok(
      told.some((each) => words.endsWith(`99 of 100 within ${each}`)),
      `${words}, and the slowest took ${slowest} ms`,
    );

    const headers = { authorization: `Bearer ${rig.token}` };
    await eventually("what is shown of processes and memory is what the API says", async () => {
      const { processes } = hostSchema.parse(
        await (await fetch(`${rig.daemon.url}/v1/host`, { headers })).json(),
      );
      const { live, max, memoryBytes } = processes;
      const shown = await tile(visitor, "Processes").innerText();
      const memory = await tile(visitor, "Memory").innerText();
      return shown.includes(`${live} of ${max}`) && memory.includes(memoryWords(memoryBytes));
    });

    const last = visitor.page.getByRole("region", { name: "What happened last" });
    await last
      .getByRole("listitem")
      .filter({ hasText: "Ada" })
      .filter({ hasText: "message failed: " })
      .waitFor();
    await visitor.page.getByRole("radio", { name: "7 days" }).check();
    const chart = tile(visitor, "Turns today").getByRole("img", {
      name: /in steps of 140 minutes: at most 3 turns/,
    });
    await chart.waitFor();

    // Live: what comes now comes in above.
    await fetch(`${rig.daemon.url}/v1/chats/bob/stop`, { method: "POST", headers });
    await last
      .getByRole("listitem")
      .filter({ hasText: "Bob" })
      .filter({ hasText: "message stopped" })
      .waitFor();
    await tile(visitor, "Messages that wait").getByText("nothing waits").waitFor();
    await last.getByRole("link", { name: "Ada" }).first().click();
    await visitor.heading("Ada").waitFor();
  });

  test("a message tells its way step by step, and the tool calls made for it, folded", async (t) => {
    const visitor = await enter(t);
    await rig.ended(await rig.tell("cleo", "List it", contact("Cleo")));
    await visitor.open("Cleo");
    const message = visitor.message("List it");
    const step = message.getByRole("listitem").filter({ hasText: "handed to process" });
    await message.locator("summary").waitFor();
    assert.equal(await step.isVisible(), false);
    await message.locator("summary").click();
    await step.waitFor();
    const steps = await message.getByRole("listitem").allInnerTexts();
    const words = steps.map((text) => text.replace(/^\S+ m?s\s+/, ""));
    const [accepted = "", starts = "", handed = "", ...rest] = words;
    assert.match(accepted, /^accepted at /);
    assert.match(starts, /^process \d+ starts: message$/);
    assert.match(handed, /^handed to process \d+$/);
    assert.deepEqual(rest, [
      ...["a turn begins with it", "the model is asked", "the model begins to answer", "uses Bash"],
      ...["the turn ends", "answered", "its answer is there"],
    ]);

    const calls = visitor.conversation.locator("details.calls");
    assert.equal(await calls.getByText("echo here").isVisible(), false);
    await calls.getByText("1 tool call: Bash").click();
    await calls.getByText("echo here").waitFor();
    await calls.getByText(/finished after/).waitFor();

    // While it is open the timeline grows by itself.
    await visitor.say("Hang");
    await rig.requestWith("Hang");
    const hanging = visitor.message("Hang");
    await hanging.locator("summary").click();
    await hanging.getByText("a turn begins with it").waitFor();
    await visitor.page.getByRole("button", { name: "Stop", exact: true }).click();
    await hanging
      .getByRole("listitem")
      .filter({ hasText: /stopped$/ })
      .waitFor();
  });

  test("what stands behind a chat: every process with its reasons, and what each day has cost", async (t) => {
    const visitor = await enter(t);
    await rig.ended(await rig.tell("dora", "one", contact("Dora")));
    await visitor.open("Dora");
    await visitor.choose("Close");
    await visitor.chat("Dora").filter({ hasText: "dormant" }).waitFor();
    await visitor.page.getByRole("button", { name: "Details", exact: true }).click();
    const behind = visitor.page.getByRole("complementary", { name: "Behind this chat" });
    const runs = behind.getByRole("listitem");
    await runs.filter({ hasText: "ended: closed on request" }).waitFor();
    assert.equal(await runs.count(), 1);

    const { cost } = asked("SELECT sum(cost) AS cost FROM chat_spending WHERE chat_id = 'dora'");
    await behind.getByRole("cell", { name: (Number(cost) / 1e9).toFixed(4), exact: true }).waitFor();

    // It is kept up to date while it is open.
    await visitor.say("two");
    await runs.filter({ hasText: "it lives" }).waitFor();
    const { total } = asked("SELECT count(*) AS total FROM processes WHERE chat_id = 'dora'");
    assert.equal(await runs.count(), total);
    await visitor.page.getByRole("button", { name: "Close details" }).click();
    await behind.waitFor({ state: "detached" });
  });

  test("a changed config that is not valid is told as long as it is not put right", async (t) => {
    const visitor = await enter(t);
    const file = join(rig.home, "switchboard.toml");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, `${before}\nprocesses.max = 0\n`);
    process.kill(rig.daemon.pid, "SIGHUP");
    const told = visitor.note("The changed config is not in force");
    await told.filter({ hasText: "processes.max" }).waitFor();
    writeFileSync(file, before);
    process.kill(rig.daemon.pid, "SIGHUP");
    await told.waitFor({ state: "detached" });
  });

  test("a chat is forgotten when somebody has said yes to that, and nothing is left of it", async (t) => {
    // A look that was under way finds nothing any more.
    const visitor = await enter(t, /404 .*\/v1\/chats\/eve\//);
    await rig.ended(await rig.tell("eve", "one", contact("Eve")));
    await visitor.open("Eve");
    await visitor.choose("Forget");
    await visitor.dialog.getByRole("button", { name: "Cancel" }).click();
    await visitor.dialog.waitFor({ state: "detached" });
    await visitor.choose("Forget");
    await visitor.dialog.getByRole("heading", { name: "Forget Eve?" }).waitFor();
    await visitor.dialog.getByRole("button", { name: "Delete everything" }).click();
    await visitor.chat("Eve").waitFor({ state: "detached" });
    await visitor.page.getByRole("heading", { name: "Overview" }).waitFor();
    const { left } = asked("SELECT count(*) AS left FROM chats WHERE chat_id = 'eve'");
    assert.equal(left, 0);
  });
});
