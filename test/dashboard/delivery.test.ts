/** What the dashboard shows of replies that do not go out and of the model's API in trouble, and what it does ahead of a message. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { skip, startBrowser, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";

describe("the dashboard, with a channel", { skip }, async () => {
  if (skip !== false) return;
  let status = 400;
  const messenger = createServer((request, response) => {
    request.resume();
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => messenger.listen(0, "127.0.0.1", resolve));
  after(() => void messenger.close());
  const { port } = messenger.address() as AddressInfo;
  const hook = `type = "webhook"\nurl = "http://127.0.0.1:${port}/"\nsecret = "sixteen characters"`;
  const rig = await startDaemonRig(
    { after },
    { config: `tiers.admin.ask = ["Bash"]\n[channels.hook]\n${hook}` },
  );
  const browser = await startBrowser({ after });

  test("lists replies that were not delivered, and sends them again, from the list or from the chat", async (t) => {
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    const list = visitor.page.getByRole("region", { name: "Not delivered" });
    const item = (chatId: string) => list.getByRole("listitem").filter({ hasText: chatId });
    const again = { name: "Send again" };
    for (const chatId of ["ada", "bob"]) await rig.ended(await rig.tell(chatId, "one", { channel: "hook" }));
    for (const chatId of ["ada", "bob"]) await item(chatId).filter({ hasText: "status 400" }).waitFor();

    status = 200;
    await item("ada").getByRole("button", again).click();
    await item("ada").waitFor({ state: "detached" });
    await item("bob").getByRole("link").click();
    const answer = visitor.answer('You said: "one"');
    await answer.filter({ hasText: "not delivered: The webhook answered with status 400." }).waitFor();
    await answer.getByRole("button", again).click();
    await list.waitFor({ state: "detached" });
    await answer.filter({ hasNotText: "not delivered" }).waitFor();
  });

  test("lists tool calls that wait for a yes, each with what it is called with, and takes the answer", async (t) => {
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    const list = visitor.page.getByRole("region", { name: "Waits for your yes" });
    for (const [chatId, answer] of [
      ["asker", "Allow once"],
      ["doubter", "Deny"],
    ] as const) {
      const made = join(rig.folder, chatId);
      const off = rig.script("Make it", {
        kind: "tool",
        name: "Bash",
        input: { command: `touch '${made}'` },
      });
      const message = await rig.tell(chatId, "Make it");
      const item = list.getByRole("listitem").filter({ hasText: chatId });
      await item.filter({ hasText: `touch '${made}'` }).waitFor();
      await item.getByRole("button", { name: answer }).click();
      await list.waitFor({ state: "detached" });
      await rig.ended(message);
      assert.equal(existsSync(made), answer === "Allow once");
      off();
    }
  });

  test("lists who wrote without being known, and lets them in, or sends them away", async (t) => {
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    const list = visitor.page.getByRole("region", { name: "Wants to be let in" });
    const item = (chatId: string) => list.getByRole("listitem").filter({ hasText: chatId });
    const knock = (chatId: string, contact: object) =>
      assert.rejects(rig.tell(chatId, "Let me in", { contact }), /refused_contact/);
    await knock("stranger:1", { name: "Stranger" });
    await knock("stranger:1", { name: "Stranger" });
    await knock("stranger:2", {});
    await item("stranger:1").filter({ hasText: "2 messages" }).waitFor();

    await item("stranger:2").getByRole("button", { name: "Dismiss" }).click();
    await item("stranger:2").waitFor({ state: "detached" });
    await item("stranger:1").getByRole("button", { name: "Let in…" }).click();
    assert.equal(await visitor.dialog.getByLabel("Chat id").inputValue(), "stranger:1");
    assert.equal(await visitor.dialog.getByLabel("Name").inputValue(), "Stranger");
    await visitor.dialog.getByLabel("Tier").selectOption("bots");
    await visitor.dialog.getByRole("button", { name: "Begin" }).click();
    await visitor.heading("Stranger").waitFor();
    await list.waitFor({ state: "detached" });
    const message = await rig.ended(await rig.tell("stranger:1", "Thank you", { contact: {} }));
    assert.equal(message.status, "answered");
  });

  test("wakes the process of a chat when somebody begins to write, once", async (t) => {
    await rig.ask("typist", "one");
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    await visitor.open("typist");
    await visitor.choose("Close");
    await visitor.chat("typist").filter({ hasText: "dormant" }).waitFor();
    const wakes: string[] = [];
    visitor.page.on("request", (request) => {
      if (request.url().endsWith("/wake")) wakes.push(request.url());
    });
    await visitor.composer.pressSequentially("Hello there");
    await visitor.chat("typist").filter({ hasText: "idle" }).waitFor();
    assert.notEqual((await rig.chat("typist")).process, null);
    assert.equal(wakes.length, 1);
  });
});

describe("the dashboard, when a budget is used up", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after }, { config: "tiers.admin.budget.usd_per_chat_day = 0.001" });
  const browser = await startBrowser({ after });

  test("says so, and allows more", async (t) => {
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`, {
      expected: /allow-more/,
    });
    await rig.ask("spender", "one");
    const message = await rig.tell("spender", "two");
    await visitor.open("spender");
    await visitor.status("two", /waits for its budget/);
    await visitor.choose("Allow more…");
    const { dialog } = visitor;
    await dialog.getByLabel("USD").fill("0");
    await dialog.getByRole("button", { name: "Allow" }).click();
    await dialog.getByText(/Too small/).waitFor();
    await dialog.getByLabel("USD").fill("5");
    await dialog.getByRole("button", { name: "Allow" }).click();
    await visitor.note("5 USD more may be spent today").waitFor();
    await visitor.status("two", "answered");
    assert.equal((await rig.ended(message)).status, "answered");
    const headers = { authorization: `Bearer ${rig.token}` };
    const response = await fetch(`${rig.daemon.url}/v1/usage?days=1`, { headers });
    const { usage } = (await response.json()) as { usage: Array<{ costUsd: number }> };
    const sum = usage.reduce((total, { costUsd }) => total + costUsd, 0);
    await visitor.page.getByText(`Today ${sum.toFixed(2)} USD`).waitFor();
  });
});

describe("the dashboard, when the model's API is in trouble", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after });
  const browser = await startBrowser({ after });

  test("says what ails it, why a chat is parked, and what its sender was told", async (t) => {
    await rig.ask("ada", "one");
    const refusal = { status: 401, type: "authentication_error", message: "invalid x-api-key" } as const;
    rig.model.script(() => ({ kind: "error", ...refusal }));
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    await visitor.open("ada");
    await visitor.say("two");
    await visitor.note("The model's API refuses the credential.").waitFor();
    await visitor.page.getByText(/^Parked until .*invalid x-api-key/).waitFor();
    const notice = visitor.conversation.getByRole("article", { name: "Notice" });
    await notice.filter({ hasText: "I cannot reach my model at the moment." }).waitFor();
    await visitor.chat("ada").filter({ hasText: "parked" }).waitFor();
    await visitor.status("two", "waits for a limit until");
  });
});
