/** What the dashboard shows of replies that do not go out and of the model's API in trouble, and what it does ahead of a message. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { skip, startBrowser, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";

describe("the dashboard", { skip }, () => {
  test("lists replies that were not delivered, and has them sent again, from there or from below them", async (t) => {
    let status = 400;
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const rig = await startDaemonRig(t, {
      config: `[channels.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:${port}/"\nsecret = "sixteen characters"`,
    });
    const browser = await startBrowser(t);
    const { page, ...visitor } = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    const list = page.getByRole("region", { name: "Not delivered" });
    for (const chatId of ["ada", "bob"]) await rig.ended(await rig.tell(chatId, "one", { channel: "hook" }));
    await list.getByRole("listitem").nth(1).filter({ hasText: "status 400" }).waitFor();

    status = 200;
    await list
      .getByRole("listitem")
      .filter({ hasText: "ada" })
      .getByRole("button", { name: "Send again" })
      .click();
    await list.getByRole("listitem").filter({ hasText: "ada" }).waitFor({ state: "detached" });
    await page.getByRole("link", { name: "bob" }).first().click();
    const answer = page.getByRole("article", { name: "Answer" });
    await answer.filter({ hasText: "not delivered: The webhook answered with status 400." }).waitFor();
    await answer.getByRole("button", { name: "Send again" }).click();
    await list.waitFor({ state: "detached" });
    await answer.filter({ hasNotText: "not delivered" }).waitFor();
    assert.ok(visitor);
  });

  test("wakes the process of a chat when somebody begins to write", async (t) => {
    const rig = await startDaemonRig(t);
    await rig.ask("ada", "one");
    const browser = await startBrowser(t);
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    await visitor.open("ada");
    await visitor.choose("Close");
    await visitor.chat("ada").filter({ hasText: "dormant" }).waitFor();
    const wakes: string[] = [];
    visitor.page.on("request", (request) => {
      if (request.url().endsWith("/wake")) wakes.push(request.url());
    });
    await visitor.composer.pressSequentially("Hello there");
    await visitor.chat("ada").filter({ hasText: "idle" }).waitFor();
    assert.notEqual((await rig.chat("ada")).process, null);
    assert.equal(wakes.length, 1);
  });

  test("says what ails the model's API, and why a chat is parked, until it is over", async (t) => {
    const rig = await startDaemonRig(t);
    await rig.ask("ada", "one");
    const heal = rig.model.script(() => ({
      kind: "error",
      status: 401,
      type: "authentication_error",
      message: "invalid x-api-key",
    }));
    const browser = await startBrowser(t);
    const visitor = await visit(t, browser, `${rig.daemon.url}/#token=${rig.token}`);
    await visitor.open("ada");
    await visitor.say("two");
    await visitor.page.getByText("The model's API refuses the credential.").waitFor();
    await visitor.page.getByText(/^Parked until .*invalid x-api-key/).waitFor();
    await visitor.page
      .getByRole("article", { name: "Notice" })
      .filter({ hasText: "cannot reach my model" })
      .waitFor();
    await visitor.chat("ada").filter({ hasText: "parked" }).waitFor();
    await visitor.status("two", "waits for a limit until");
    heal();
    await eventually("the daemon knows", async () => (await rig.chat("ada")).state !== "starting");
  });
});
