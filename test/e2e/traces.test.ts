/** Traces by OpenTelemetry's variables: a receiver gets each message's way; one that is down costs nobody an answer. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { after, test } from "node:test";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Array<{ key: string; value: { stringValue?: string; intValue?: number } }>;
  status: { code?: number };
}

const spans: Span[] = [];
const services = new Set<string>();
const receiver = createServer(async (request, response) => {
  assert.equal(request.url, "/v1/traces");
  assert.equal(request.headers["x-tenant"], "us");
  // biome-ignore lint/suspicious/noExplicitAny: as the protocol has it.
  const body: any = await json(request);
  for (const { resource, scopeSpans } of body.resourceSpans) {
    for (const { key, value } of resource.attributes)
      if (key === "service.name") services.add(value.stringValue);
    for (const scope of scopeSpans) spans.push(...scope.spans);
  }
  response.writeHead(200, { "content-type": "application/json" }).end("{}");
});
await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
after(() => void receiver.close());
const { port } = receiver.address() as AddressInfo;

test("a message's trace has its way in it, and no word of anybody's; without a receiver answers come all the same", async () => {
  const hook = createServer((request, response) =>
    request.resume().on("end", () => response.writeHead(204).end()),
  );
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  after(() => void hook.close());
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=us",
    OTEL_SERVICE_NAME: "support-line",
    OTEL_BSP_SCHEDULE_DELAY: "50",
  };
  const config = `[channels.hook]\ntype = "webhook"\nurl = "${url}"\nsecret = "sixteen characters"`;
  const rig = await startDaemonRig({ after }, { config, env });
  rig.script("Run it", { kind: "tool", name: "Bash", input: { command: "echo yonderput; env" } });
  const contact = { contact: { name: "Quixotica", tier: "admin" }, channel: "hook" };
  const message = await rig.ended(await rig.tell("ada", "Run it", contact));

  const named = (name: string) => spans.find((span) => span.name === name);
  const delivery = await eventually("the delivery is told", () => named("delivery"));
  const root = await eventually("the message is told", () => named("message"));
  const parentOf = (name: string, of = named(name)) =>
    spans.find(({ spanId }) => spanId === of?.parentSpanId)?.name;
  const tree = ["wait", "try", "turn", "model first byte", "tool Bash", "delivery"].map((name) => [
    name,
    parentOf(name),
  ]);
  assert.deepEqual(tree, [
    ["wait", "message"],
    ["try", "message"],
    ["turn", "try"],
    ["model first byte", "turn"],
    ["tool Bash", "turn"],
    ["delivery", "message"],
  ]);
  assert.ok(spans.every(({ traceId }) => traceId === root.traceId));
  assert.deepEqual([...services], ["support-line"]);
  assert.equal(root.parentSpanId || undefined, undefined);
  const attribute = (key: string) => root.attributes.find((each) => each.key === key)?.value;
  assert.equal(attribute("switchboard.message.id")?.stringValue, message.id);
  assert.equal(attribute("switchboard.message.status")?.stringValue, "answered");
  const ms = (nanos: string) => Number(BigInt(nanos) / 1_000_000n);
  assert.equal(ms(root.startTimeUnixNano), Date.parse(message.acceptedAt));
  assert.equal(ms(root.endTimeUnixNano), Date.parse(message.endedAt ?? ""));
  assert.equal(ms(delivery.startTimeUnixNano), Date.parse(message.endedAt ?? ""));
  for (const word of ["Run it", "yonderput", "Quixotica", "You said"])
    assert.doesNotMatch(JSON.stringify(spans), new RegExp(word), word);
  // Claude's processes know nothing of it.
  const asked = JSON.stringify(rig.model.requests());
  assert.match(asked, /HOME=/, "the model was told the environment of the command");
  assert.doesNotMatch(asked, /OTEL_|support-line/);

  receiver.close();
  receiver.closeAllConnections();
  assert.match((await rig.ask("ada", "Still there?")) ?? "", /Still there\?/);
  assert.equal(await rig.stop(), 0);
});
