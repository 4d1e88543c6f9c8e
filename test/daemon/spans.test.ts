import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SpanPlan, spansOf } from "../../src/daemon/spans.ts";
import { settingsOf } from "../../src/daemon/traces.ts";
import type { MessageView, TimelineEntry } from "../../src/views.ts";

const at = (ms: number) => new Date(ms).toISOString();

function message(timeline: TimelineEntry[], more: Partial<MessageView> = {}): MessageView {
  return {
    ...{ id: "m", externalId: null, chatId: "ada", seq: 1, text: "a secret", attachments: [], ran: null },
    ...{ status: "answered", waiting: null, tries: 2, error: null, reply: null, timeline },
    ...{ acceptedAt: at(0), sentAt: at(100), endedAt: at(1000) },
    ...more,
  };
}

/** As an outline: name, from, to, and a mark where it failed. */
function outline({ name, start, end, failed, children }: SpanPlan): unknown[] {
  return [`${name} ${start}-${end}${failed ? " !" : ""}`, ...children.map(outline)];
}

describe("a message's spans", () => {
  it("are its wait, its tries with their turns, and in these the model, tools and questions", () => {
    const plan = spansOf(
      message([
        { at: at(0), what: "accepted" },
        { at: at(100), what: "handed_over", generation: 1, kind: "send", outcome: "lost" },
        { at: at(110), what: "turn_started", turnId: "t1", generation: 1 },
        {
          at: at(150),
          what: "tool",
          turnId: "t1",
          name: "Bash",
          input: "a secret",
          state: "unknown",
          endedAt: at(300),
        },
        { at: at(300), what: "turn_ended", outcome: "cut" },
        { at: at(400), what: "handed_over", generation: 2, kind: "continue", outcome: "answered" },
        { at: at(410), what: "turn_started", turnId: "t2", generation: 2 },
        { at: at(420), what: "model_asked" },
        { at: at(500), what: "model_answers" },
        { at: at(600), what: "approval", tool: "Write", state: "used", decidedBy: "me", endedAt: at(700) },
        { at: at(1000), what: "turn_ended", outcome: "answered" },
        { at: at(1000), what: "ended", status: "answered" },
      ]),
      "family",
    );
    assert.ok(plan !== null);
    assert.deepEqual(outline(plan), [
      "message 0-1000",
      ["wait 0-100"],
      ["try 100-400 !", ["turn 110-300 !", ["tool Bash 150-300 !"]]],
      ["try 400-1000", ["turn 410-1000", ["model first byte 420-500"], ["approval 600-700"]]],
    ]);
    assert.equal(plan.attributes["switchboard.tier"], "family");
    assert.doesNotMatch(JSON.stringify(plan), /secret/);
  });

  it("of one that nobody handed over are its wait alone, and of one that is open there are none", () => {
    const stopped = message([{ at: at(0), what: "accepted" }], { status: "stopped" });
    const plan = spansOf(stopped, "bots");
    assert.deepEqual(plan && outline(plan), ["message 0-1000", ["wait 0-1000"]]);
    assert.equal(spansOf({ ...stopped, endedAt: null }, "bots"), null);
  });
});

describe("the variables for traces", () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };

  it("turn them on by an endpoint, and off by the switches for that", () => {
    assert.equal(settingsOf({}), null);
    assert.equal(settingsOf({ OTEL_SERVICE_NAME: "x" }), null);
    assert.equal(settingsOf({ ...endpoint, OTEL_SDK_DISABLED: "true" }), null);
    assert.equal(settingsOf({ ...endpoint, OTEL_TRACES_EXPORTER: "none" }), null);
    const on = { protocol: "http/protobuf", sampler: "always_on", ratio: 1, delayMs: null };
    assert.deepEqual(settingsOf(endpoint), on);
    assert.deepEqual(settingsOf({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://collector/v1/traces" }), on);
    assert.deepEqual(
      settingsOf({
        ...endpoint,
        OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG: "0.1",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_BSP_SCHEDULE_DELAY: "100",
      }),
      { protocol: "http/json", sampler: "traceidratio", ratio: 0.1, delayMs: 100 },
    );
  });

  it("are refused by name when they make no sense", () => {
    for (const wrong of [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" },
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "nonsense" },
      { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
      { OTEL_TRACES_SAMPLER: "sometimes" },
      { OTEL_TRACES_SAMPLER_ARG: "2" },
      { OTEL_BSP_SCHEDULE_DELAY: "soon" },
    ]) {
      const [name] = Object.keys(wrong);
      assert.throws(() => settingsOf({ ...endpoint, ...wrong }), {
        code: "invalid_environment",
        message: new RegExp(`^${name} `),
      });
    }
  });
});
