import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, it } from "node:test";
import type { OutboundReply } from "../../src/channels/index.ts";
import { signatureOf, verifyWebhook, type WebhookVerdict } from "../../src/channels/signature.ts";
import { Webhook, webhookSchema } from "../../src/channels/webhook.ts";
import { systemClock } from "../../src/clock.ts";

const secret = "sixteen or more characters";
const seconds = 1_800_000_000;
const body = '{"reply":{"text":"Grüße"}}';
/** By `printf '%s' "1800000000.$body" | openssl dgst -sha256 -hmac "$secret"`. */
const signature = "sha256=26f1c30cedc5ae01910e6cb752bc86d88d6caa79eacc877b7a4959cc0ab7c51b";

interface Case {
  timestamp?: string;
  signature?: string | string[];
  body?: string | Uint8Array;
  secret?: string;
  /** ms after it was signed. */
  age?: number;
  toleranceMs?: number;
}

/** A genuine request, but for what the case says. */
function verify(it: Case = {}): WebhookVerdict {
  const headers = {
    "x-switchboard-timestamp": it.timestamp ?? String(seconds),
    "x-switchboard-signature": it.signature ?? signature,
  };
  const now = seconds * 1000 + (it.age ?? 0);
  const { toleranceMs } = it;
  const options = toleranceMs === undefined ? { now } : { now, toleranceMs };
  return verifyWebhook({ headers, body: it.body ?? body }, it.secret ?? secret, options);
}

function refusal(it: Case): string {
  const verdict = verify(it);
  assert.ok(verdict.kind === "refused", JSON.stringify(it));
  return verdict.reason;
}

describe("a webhook's request is verified:", () => {
  it("a genuine one gives its reply, from text and from bytes", () => {
    const genuine = { kind: "genuine", reply: { text: "Grüße" } };
    assert.equal(signatureOf(secret, String(seconds), body), signature);
    assert.deepEqual(verify(), genuine);
    assert.deepEqual(verify({ body: new TextEncoder().encode(body) }), genuine);
  });

  it("another secret, another body or another time makes another signature", () => {
    const other = /another secret, or not as it came/;
    assert.match(refusal({ secret: "the secret of others" }), other);
    assert.match(refusal({ body: body.replace("ß", "ss") }), other);
    assert.match(refusal({ body: `${body} ` }), other);
    assert.match(refusal({ timestamp: String(seconds + 1) }), other);
  });

  it("a signature of another length, algorithm or spelling is none", () => {
    const mac = (algorithm: string) =>
      createHmac(algorithm, secret).update(`${seconds}.${body}`).digest("hex");
    const wrong = [
      "",
      "sha256=",
      signature.slice(0, -1),
      `${signature}0`,
      signature.slice("sha256=".length),
      signature.toUpperCase(),
      "ü".repeat(signature.length),
      `sha1=${mac("sha1")}`,
      `sha512=${mac("sha512")}`,
      `sha256=${mac("sha512")}`,
      `${signature}, ${signature}`,
    ];
    for (const each of wrong) assert.match(refusal({ signature: each }), /another secret/, each);
    assert.match(refusal({ signature: [signature] }), /not signed/);
    assert.deepEqual(verifyWebhook({ headers: {}, body }, secret), {
      kind: "refused",
      reason: "It is not signed.",
    });
  });

  it("an old one is a recording, and one from the future is of another clock", () => {
    for (const age of [-300_000, 0, 300_000]) assert.equal(verify({ age }).kind, "genuine", `${age}`);
    assert.equal(refusal({ age: 301_000 }), "It was signed 301 s ago.");
    assert.equal(refusal({ age: -301_000 }), "It was signed 301 s ahead of this clock.");
    assert.equal(verify({ age: 2000, toleranceMs: 2000 }).kind, "genuine");
    assert.equal(refusal({ age: 3000, toleranceMs: 2000 }), "It was signed 3 s ago.");
  });

  it("a time that is none is refused, also by who holds the secret", () => {
    for (const timestamp of ["", "now", "Infinity", "-1", `${seconds},${seconds}`]) {
      assert.match(
        refusal({ timestamp, signature: signatureOf(secret, timestamp, body) }),
        /signed/,
        timestamp,
      );
    }
  });

  it("a secret that no webhook can have is a mistake, and lets nobody in", () => {
    for (const short of ["", "fifteen letters"]) {
      const forged = { secret: short, signature: signatureOf(short, String(seconds), body) };
      assert.throws(() => verify(forged), { code: "invalid_request", field: "secret" });
    }
  });

  it("by the documentation's lines in the same way", async () => {
    const document = readFileSync(join(import.meta.dirname, "../../docs/api.md"), "utf8");
    const [, lines] = /```js\n(.*?)```/s.exec(document) ?? [];
    assert.ok(lines, "docs/api.md shows none");
    const { isGenuine } = await import(`data:text/javascript,${encodeURIComponent(lines)}`);
    const now = Math.trunc(Date.now() / 1000);
    const check = (key: string, at: number) => {
      const headers = {
        "x-switchboard-timestamp": String(at),
        "x-switchboard-signature": signatureOf(key, String(at), body),
      };
      return isGenuine(headers, Buffer.from(body), secret);
    };
    assert.equal(check(secret, now), true);
    assert.equal(check(secret, now - 400), false);
    assert.equal(check(secret, now + 400), false);
    assert.equal(check("the secret of others", now), false);
    assert.equal(isGenuine({}, Buffer.from(body), secret), false);
  });

  it("what the channel sends is genuine to who has its secret", async (t) => {
    const reply: OutboundReply = {
      id: "0198a6c2-0000-7000-8000-000000000001",
      chatId: "crm:42",
      kind: "answer",
      text: 'Grüße — 你好 🎉\n"quoted"',
      answers: ["0198a6c2-0000-7000-8000-000000000000"],
      route: { thread: [1, null] },
      createdAt: "2026-01-02T03:04:05.678Z",
      attempt: 1,
      mayBeDouble: false,
    };
    const verdicts: WebhookVerdict[] = [];
    const server = createServer(async (request, response) => {
      const { headers } = request;
      verdicts.push(verifyWebhook({ headers, body: await buffer(request) }, secret));
      response.end();
    });
    t.after(() => server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const channel = new Webhook("hook", webhookSchema.parse({ type: "webhook", url, secret }), systemClock);
    assert.deepEqual(await channel.send(reply, reply.id, new AbortController().signal), { kind: "sent" });
    assert.deepEqual(verdicts, [{ kind: "genuine", reply }]);
  });
});
