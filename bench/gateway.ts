/**
 * What the gateway adds to a request: the same streamed request to the offline model, straight and by the gateway, in turn,
 * over a connection that stays open. As large as one of Claude Code's with all its tools (SDK-FACTS 10.3: about 60 kB).
 * Told are the first byte of the answer and its end; the gateway holds an answer back until it has content.
 */

import { Agent, request } from "node:http";
import { systemClock } from "../src/clock.ts";
import { startGateway } from "../src/gateway/index.ts";
import { silent } from "../src/log.ts";
import { startOffline } from "../src/offline/index.ts";
import { compared, latencyRow, type Row } from "./report.ts";
import type { Run } from "./run.ts";

const body = JSON.stringify({
  model: "claude-opus-5-5",
  max_tokens: 1000,
  stream: true,
  system: "x".repeat(60_000),
  messages: [{ role: "user", content: "Hello" }],
});

interface Times {
  firstByteMs: number;
  wholeMs: number;
}

export async function measureGateway({ requests }: { requests: number }, run: Run): Promise<Row[]> {
  run.say("what the gateway adds to a request");
  const model = await startOffline();
  const gateway = await startGateway({ upstream: { baseUrl: model.url }, clock: systemClock, log: silent });
  const agent = new Agent({ keepAlive: true });
  const { token } = gateway.issue({ generation: 1, mayLeave: () => true, onUsage() {} });
  try {
    const straight: Times[] = [];
    const through: Times[] = [];
    // The first ones warm both up.
    for (let n = -Math.min(50, requests); n < requests && !run.signal.aborted; n += 1) {
      const [one, other] = [await ask(model.url, "none", agent), await ask(gateway.url, token, agent)];
      if (n < 0) continue;
      straight.push(one);
      through.push(other);
    }
    return [
      ...rows("model request to its first byte", straight, through, ({ firstByteMs }) => firstByteMs),
      ...rows("model request to its end", straight, through, ({ wholeMs }) => wholeMs),
    ];
  } finally {
    agent.destroy();
    await gateway.close();
    await model.close();
  }
}

function rows(
  measure: string,
  straight: readonly Times[],
  through: readonly Times[],
  time: (times: Times) => number,
): Row[] {
  const rival = latencyRow(measure, "straight to the model", straight.map(time));
  const ours = latencyRow(measure, "by the gateway", through.map(time));
  return [rival, compared(ours, { straight: rival })];
}

function ask(url: string, key: string, agent: Agent): Promise<Times> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    let firstByteMs = Number.NaN;
    const headers = { "content-type": "application/json", "x-api-key": key };
    const asked = request(`${url}/v1/messages`, { method: "POST", agent, headers }, (response) => {
      response.once("data", () => {
        firstByteMs = performance.now() - begun;
      });
      response.resume();
      response.once("end", () => resolve({ firstByteMs, wholeMs: performance.now() - begun }));
      response.once("error", reject);
    });
    asked.once("error", reject);
    asked.end(body);
  });
}
