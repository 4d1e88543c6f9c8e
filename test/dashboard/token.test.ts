/** Who may see the dashboard: the token comes with the address, leaves it at once, and is asked for without it. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { skip, startBrowser, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";
import type { Scope } from "../support/eventually.ts";

describe("the dashboard's token", { skip }, async () => {
  if (skip !== false) return;
  const rig = await startDaemonRig({ after });
  const browser = await startBrowser({ after });
  const enter = (scope: Scope, hash: string) =>
    visit(scope, browser, `${rig.daemon.url}/${hash}`, { expected: /401/ });
  const title = "Switchboard";

  test("leaves the address bar and its history, and stays for a reload of the tab", async (t) => {
    const { page } = await enter(t, `#token=${rig.token}`);
    await page.getByRole("navigation", { name: "Chats" }).waitFor();
    assert.equal(page.url(), `${rig.daemon.url}/`);
    assert.equal(await page.evaluate("history.length"), 2);
    await page.reload();
    await page.getByRole("navigation", { name: "Chats" }).waitFor();
    assert.equal((await page.content()).includes(rig.token), false);
  });

  test("is asked for when it is missing, with where it is to be found", async (t) => {
    const { page } = await enter(t, "");
    await page.getByRole("heading", { name: title }).waitFor();
    await page.getByText("The link that ./switchboard start prints").waitFor();
    await page.getByLabel("Token").fill(rig.token);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("navigation", { name: "Chats" }).waitFor();
  });

  test("is asked for again when it is wrong, and then the chat that was asked for opens", async (t) => {
    await rig.ask("ada", "Hello");
    const { page } = await enter(t, "#token=a-wrong-token");
    await page.getByRole("alert").filter({ hasText: "not the token of the daemon" }).waitFor();
    assert.equal(page.url().includes("wrong"), false);
    await page.goto(`${rig.daemon.url}/#/chats/ada`);
    await page.getByLabel("Token").fill(`${rig.token}\n`);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("log").getByText("Hello", { exact: true }).waitFor();
  });

  test("is kept from other tabs", async (t) => {
    const { page } = await enter(t, `#token=${rig.token}`);
    await page.getByRole("navigation", { name: "Chats" }).waitFor();
    const other = await page.context().newPage();
    await other.goto(rig.daemon.url);
    await other.getByLabel("Token").waitFor();
  });
});
