/** What `show` explains of a chat whose processes were killed, on the real Claude Code; `failed` and `retry` of its replies. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { whyText } from "../../src/cli/show.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { killHard } from "../support/processes.ts";
import { run } from "./rig.ts";

describe("show", () => {
  test("tells of a turn whose process was killed: the call whose outcome nobody knows, the death, the next try", async (t) => {
    const rig = await startDaemonRig(t);
    const cli = (...args: string[]) => run(["--home", rig.home, ...args]);
    assert.ok(await rig.ask("ada", "one"));
    rig.script(
      "Dig",
      { kind: "tool", name: "Bash", input: { command: "sleep 1000" } },
      { kind: "text", text: "Dug." },
    );
    const message = await rig.tell("ada", "Dig");
    await eventually("the tool runs", async () =>
      (await cli("show", "ada", message.id)).stdout.includes("running"),
    );
    await rig.inTranscript(message);
    killHard(await rig.pid("ada"));
    assert.equal((await rig.ended(message)).status, "answered");

    const { stdout } = await cli("show", "ada");
    const tries =
      /[^\n]*accepted as (\S+)\n(?:.*\n)*?.*Bash: outcome unknown.*\n.*process \d+ ended: .*\n(?:.*\n)*?.*taken up again.*: try 2, process \d+\n/;
    assert.equal(tries.exec(stdout)?.[1], message.id, stdout);
    // What went well has nothing to explain.
    assert.equal(stdout.match(/accepted as/g)?.length, 1);

    const whole = await cli("show", "ada", message.id);
    assert.match(whole.stdout, /ada +Dig\n.* accepted\n/);
    assert.match(whole.stdout, / answered\n.* the reply is there\n.* Claude {2}Dug\.\n$/);
    const { timeline } = JSON.parse((await cli("show", "ada", message.id, "--json")).stdout);
    assert.equal(timeline[0].what, "accepted");
  });

  test("tells why a chat is parked and until when, and what its sender was told", async (t) => {
    const rig = await startDaemonRig(t);
    const cli = (...args: string[]) => run(["--home", rig.home, ...args]);
    assert.ok(await rig.ask("ada", "one"));
    const refusal = { status: 401, type: "authentication_error", message: "invalid x-api-key" } as const;
    rig.model.script(() => ({ kind: "error", ...refusal }));
    await rig.tell("ada", "two");
    await eventually("the chat is parked", async () => (await rig.chat("ada")).state === "parked");
    const { stdout } = await cli("show", "ada");
    assert.match(
      stdout,
      /^state: +parked\nwhy: +The model's API lets nobody through until .+: invalid x-api-key$/m,
    );
    assert.match(stdout, /a notice is there: I cannot reach my model.*\n.* process 1 ended: parked until .*/);
    assert.match((await cli("sessions")).stdout, /^The model's API has refused the credential since/);
  });

  test("tells why a chat is in quarantine, and nothing of one that nothing keeps", () => {
    const held = { until: "2026-01-01T00:00:00.000Z", reason: "The process has died 6 times." };
    assert.equal(whyText({ state: "quarantined", held }), held.reason);
    assert.equal(whyText({ state: "idle", held: null }), null);
  });

  test("knows no message of another chat, and none that is not there", async (t) => {
    const rig = await startDaemonRig(t);
    const cli = (...args: string[]) => run(["--home", rig.home, ...args]);
    const message = await rig.tell("ada", "one");
    await rig.tell("bob", "two");
    for (const args of [
      ["show", "bob", message.id],
      ["show", "ada", "no-such-message"],
    ]) {
      const { code, stdout, stderr } = await cli(...args);
      assert.deepEqual([code, stdout], [5, ""]);
      assert.match(stderr, /^switchboard: [^\n]+\n$/);
    }
    const { stdout } = await cli("send", "ada", "three", "--queue-mode", "collect", "--wait");
    assert.notEqual(stdout, "");
    assert.match((await cli("show", "ada")).stdout, /^queue mode: +collect$/m);
    await cli("send", "ada", "four", "--queue-mode", "tier", "--wait");
    assert.match((await cli("show", "ada")).stdout, /^queue mode: +as the tier says$/m);
  });
});

describe("failed and retry", () => {
  test("list a reply that its channel refused, and send it again", async (t) => {
    let status = 400;
    const received: string[] = [];
    const server = createServer((request, response) => {
      request.resume();
      received.push(String(request.headers["idempotency-key"]));
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const rig = await startDaemonRig(t, {
      config: `[channels.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:${port}/"\nsecret = "sixteen characters"`,
    });
    const cli = (...args: string[]) => run(["--home", rig.home, ...args]);
    assert.equal((await cli("failed")).stdout, "no failed replies\n");

    const { reply } = await rig.ended(await rig.tell("ada", "one", { channel: "hook" }));
    assert.ok(reply);
    await eventually("the list has it", async () => (await cli("failed")).stdout.includes(reply.id));
    const [titles, row] = (await cli("failed")).stdout.split("\n");
    assert.match(titles ?? "", /^REPLY +CHAT +CHANNEL +STATUS +ATTEMPTS +MADE +WHY$/);
    assert.match(row ?? "", new RegExp(`^${reply.id} +ada +hook +failed +1 +now +.*status 400`));
    assert.match((await cli("show", "ada")).stdout, /the reply was given up: .*status 400/);
    assert.match(
      (await cli("complete", "zsh", "--", "--home", rig.home, "retry", "")).stdout,
      new RegExp(reply.id),
    );

    status = 200;
    assert.match((await cli("retry", reply.id)).stdout, /^to be sent again: .* to ada by hook\n$/);
    await eventually("nothing is failed", async () => (await cli("failed")).stdout === "no failed replies\n");
    assert.deepEqual(received, [reply.id, reply.id]);
    const again = await cli("retry", reply.id);
    assert.equal(again.code, 5);
    assert.match((await cli("show", "ada", reply.answers[0] ?? "")).stdout, /the reply was delivered\n/);
  });
});
