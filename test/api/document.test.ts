/**
 * The API's document is true: every call in it is made, every answer in it is driven, and what comes back is as it says.
 * The calls go to the real Switchboard; errors of the storage and defects are thrown into it from outside.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { createApi, startingApi } from "../../src/api/api.ts";
import type { Channel } from "../../src/channels/index.ts";
import { parseConfig } from "../../src/config.ts";
import { type ErrorCode, SwitchboardError } from "../../src/errors.ts";
import { silent } from "../../src/log.ts";
import { startOffline } from "../../src/offline/index.ts";
import { open } from "../../src/open.ts";
import type { Switchboard } from "../../src/switchboard.ts";
import { eventually } from "../support/eventually.ts";
import { script } from "../support/model.ts";

const token = "a-token-of-the-tests";
const folder = mkdtempSync(join(tmpdir(), "switchboard-api-"));
const config = parseConfig("processes.max = 1\nlimits.text_bytes = 1024\ntiers.admin.ask = ['Bash']", "test");
const model = await startOffline();
script(model, "Use a tool", { kind: "tool", name: "Bash", input: { command: "true" } });
/** A messenger that takes nothing. */
const broken: Channel = {
  name: "broken",
  afterCrash: "hold",
  stopWords: ["stop"],
  start: async () => {},
  send: async () => ({ kind: "refused", reason: "it takes nothing", retry: false }),
  stop: async () => {},
};
/** What the config file says by now. */
let changed = config;
const switchboard = await open({
  ...{ home: join(folder, "home"), config, channels: [broken] },
  upstream: { baseUrl: model.url },
});
after(async () => {
  await switchboard.close({ hurry: AbortSignal.abort() });
  await model.close();
  rmSync(folder, { recursive: true });
});

interface App {
  fetch(request: Request): Response | Promise<Response>;
}

function api(over: Switchboard, more: { ending?: AbortSignal; shutdown?: () => void } = {}): App {
  return createApi({
    switchboard: over,
    token,
    host: "127.0.0.1",
    log: silent,
    limits: { textBytes: 1024, attachmentBytes: 0 },
    shutdown: () => {},
    reload: () => over.reload(() => changed),
    ending: new AbortController().signal,
    ...more,
  });
}

/** Asks the storage nothing before it answers. */
const withoutStorage: readonly (string | symbol)[] = ["host", "events"];

/** A Switchboard of which everything that is asked fails. */
function failing(error: Error): Switchboard {
  const fail = () => {
    throw error;
  };
  return new Proxy(switchboard, {
    get(target, name) {
      if (error instanceof SwitchboardError && withoutStorage.includes(name)) {
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return name === "host" ? fail() : fail;
    },
  });
}

const own = api(switchboard);
const origin = "http://127.0.0.1";

interface Call {
  path: string;
  method: string;
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
}

async function answerOf(app: App, { path, method, body, headers }: Call, at = origin): Promise<Response> {
  return await app.fetch(
    new Request(at + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    }),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: what comes is what is looked into.
async function jsonOf(response: Response): Promise<any> {
  return await response.json();
}

const get = (path: string): Call => ({ method: "GET", path });

// The document

interface Operation {
  summary?: string;
  security?: unknown[];
  responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
}
const document: Document = await jsonOf(await answerOf(own, get("/v1/openapi.json")));

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(document, "document");

/** Fails when the document does not say that this operation may answer so. Gives the error's code, or null. */
async function asDocumented(path: string, method: string, response: Response): Promise<string | null> {
  const { responses } = document.paths[path]?.[method] ?? assert.fail(`${method} ${path}`);
  const documented = responses[response.status];
  assert.ok(documented, `${method} ${path} answered ${response.status}`);
  const [mediaType = ""] = (response.headers.get("content-type") ?? "").split(";");
  assert.ok(documented.content?.[mediaType], `${mediaType} is not documented for ${response.status}`);
  const value = await contentOf(response, mediaType);
  const pointer = ["paths", path, method, "responses", response.status, "content", mediaType, "schema"]
    .map((key) => encodeURIComponent(String(key).replaceAll("~", "~0").replaceAll("/", "~1")))
    .join("/");
  const validate = ajv.getSchema(`document#/${pointer}`) ?? assert.fail(`no schema at ${pointer}`);
  assert.ok(validate(value), `${JSON.stringify(value)}: ${ajv.errorsText(validate.errors)}`);
  return value.error?.code ?? null;
}

function contentOf(response: Response, mediaType: string) {
  if (mediaType === "text/event-stream") return firstEvent(response);
  return mediaType === "text/plain" ? response.text() : response.json();
}

async function firstEvent(response: Response) {
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const data = /^data: (.*)$/m.exec(chunk)?.[1];
    if (data !== undefined) return JSON.parse(data);
  }
  return assert.fail("a stream without an event");
}

// What drives each of its answers

const chat = (id: string, rest = "") => `/v1/chats/${encodeURIComponent(id)}${rest}`;
const post = (path: string, body?: unknown): Call => ({
  method: "POST",
  path,
  ...(body !== undefined && { body: JSON.stringify(body) }),
});
const put = (path: string, body: unknown): Call => ({ method: "PUT", path, body: JSON.stringify(body) });
const message = (more: object = {}) => ({ text: "hello", contact: { tier: "family" }, ...more });
const notText = new Uint8Array([0x22, 0xff, 0x22]);
const badChat = "/v1/chats/%00";
const asForm = { "content-type": "text/plain" };
let known = "";

let refused: string | undefined;

/** The id of a reply that its channel has not taken: the same each time, for it never does. */
async function undelivered(): Promise<string> {
  refused ??= await replyIntoTheVoid();
  return await eventually("the reply has failed", async () => {
    const { deliveries } = await jsonOf(await answerOf(own, get("/v1/replies/failed?limit=1000")));
    return deliveries.find(({ id }: { id: string }) => id === refused)?.id;
  });
}

async function replyIntoTheVoid(): Promise<string> {
  const body = message({ channel: "broken", contact: { tier: "family", queueMode: "collect" } });
  const { reply } = await jsonOf(await answerOf(own, post(chat("cut-off", "/messages?wait=60"), body)));
  return reply.id;
}

/** What is no JSON that could be read. */
function badBodies(path: string): Record<string, () => Call> {
  return {
    invalid_json: () => ({ ...post(path), body: "{" }),
    invalid_text: () => ({ ...post(path), body: notText }),
    too_large: () => ({ ...post(path), body: JSON.stringify({ usd: "1".repeat(100_000) }) }),
    unsupported_media_type: () => ({ ...post(path, {}), headers: asForm }),
  };
}

let asking: string | undefined;

/** The id of a question that waits for its answer. */
async function question(): Promise<string> {
  const pending = async () => (await switchboard.pendingApprovals())[0]?.id;
  const there = await pending();
  if (there !== undefined) return there;
  // In a turn of its own.
  if (asking !== undefined) await switchboard.settled(asking, { timeoutMs: 30_000 });
  const { message } = await switchboard.receive("asker", { text: "Use a tool", contact: { tier: "admin" } });
  asking = message.id;
  return await eventually("somebody is asked", pending);
}

/** By operation and by what is to come: the status of a success, or the code of an error. Made when it is its turn. */
const drivers: Record<string, Record<string, () => Call | Promise<Call>>> = {
  "get /healthz": { 200: () => get("/healthz") },
  "get /readyz": { 200: () => get("/readyz") },
  "get /metrics": { 200: () => get("/metrics") },
  "get /v1/host": { 200: () => get("/v1/host") },
  "get /v1/overview": {
    200: () => get("/v1/overview?hours=24"),
    invalid_request: () => get("/v1/overview?hours=169"),
  },
  "post /v1/reload": {
    200: () => {
      changed = config;
      return post("/v1/reload");
    },
    invalid_config: () => {
      changed = { ...config, tiers: { queen: {} } };
      return post("/v1/reload");
    },
  },
  "post /v1/shutdown": { 202: () => post("/v1/shutdown") },
  "post /v1/chats/{chatId}/messages": {
    200: () => post(chat("alice", "/messages?wait=60"), message()),
    202: () => post(chat("alice", "/messages"), message()),
    invalid_request: () => post(chat("alice", "/messages"), { contact: {} }),
    invalid_json: () => ({ ...post(chat("alice", "/messages")), body: "{" }),
    invalid_chat_id: () => post(`${badChat}/messages`, message()),
    invalid_text: () => post(chat("alice", "/messages"), message({ text: "a\0b" })),
    unknown_tier: () => post(chat("alice", "/messages"), message({ contact: { tier: "queen" } })),
    invalid_attachment: () =>
      post(chat("alice", "/messages"), message({ attachments: [{ name: "x", data: "!" }] })),
    refused_contact: () => post(chat("nobody", "/messages"), { text: "hello" }),
    conflict: async () => {
      const id = randomUUID();
      await answerOf(own, post(chat("alice", "/messages"), message({ id })));
      return post(chat("alice", "/messages"), message({ id, text: "another" }));
    },
    too_large: () => post(chat("alice", "/messages"), message({ text: "x".repeat(1025) })),
    unsupported_media_type: () => ({ ...post(chat("alice", "/messages"), message()), headers: asForm }),
  },
  "get /v1/messages/{id}": {
    200: () => get(`/v1/messages/${known}?timeline=true`),
    invalid_request: () => get(`/v1/messages/${known}?timeline=yes`),
    not_found: () => get(`/v1/messages/${randomUUID()}`),
  },
  "get /v1/chats/{chatId}/messages": {
    200: () => get(chat("alice", "/messages?order=newest&limit=5&timeline=true")),
    invalid_request: () => get(chat("alice", "/messages?limit=0")),
    invalid_chat_id: () => get(`${badChat}/messages`),
    not_found: () => get(chat("stranger", "/messages")),
  },
  "get /v1/chats": {
    200: () => get("/v1/chats"),
    invalid_request: () => get("/v1/chats?after=nonsense"),
  },
  "get /v1/chats/{chatId}": {
    200: () => get(chat("alice")),
    invalid_chat_id: () => get(badChat),
    not_found: () => get(chat("stranger")),
  },
  "put /v1/chats/{chatId}": {
    200: () => put(chat("bob"), { contact: { name: "Bob", tier: "family" } }),
    invalid_request: () => put(chat("bob"), { contact: { name: "" } }),
    invalid_json: () => ({ ...put(chat("bob"), {}), body: "no" }),
    invalid_text: () => ({ ...put(chat("bob"), {}), body: notText }),
    invalid_chat_id: () => put(badChat, { contact: {} }),
    unknown_tier: () => put(chat("bob"), { contact: { tier: "queen" } }),
    too_large: () => put(chat("bob"), { contact: { name: "x".repeat(70_000) } }),
    unsupported_media_type: () => ({ ...put(chat("bob"), {}), headers: asForm }),
  },
  "get /v1/chats/{chatId}/events": {
    200: () => get(chat("alice", "/events?after=0")),
    invalid_request: () => get(chat("alice", "/events?after=x")),
    invalid_chat_id: () => get(`${badChat}/events`),
  },
  "get /v1/events": {
    200: () => get("/v1/events?text=false&follow=false"),
    invalid_request: () => get("/v1/events?text=maybe"),
  },
  "get /v1/replies/failed": {
    200: async () => {
      await undelivered();
      return get("/v1/replies/failed?limit=1");
    },
    invalid_request: () => get("/v1/replies/failed?limit=0"),
  },
  "post /v1/replies/{id}/retry": {
    200: async () => post(`/v1/replies/${await undelivered()}/retry`),
    not_found: () => post(`/v1/replies/${randomUUID()}/retry`),
  },
  "get /v1/approvals": {
    200: async () => {
      await question();
      return get("/v1/approvals?limit=1");
    },
    invalid_request: () => get("/v1/approvals?limit=0"),
  },
  "post /v1/approvals/{id}/approve": {
    200: async () => post(`/v1/approvals/${await question()}/approve?by=Ann`),
    invalid_request: () => post(`/v1/approvals/${randomUUID()}/approve?by=`),
    not_found: () => post(`/v1/approvals/${randomUUID()}/approve`),
  },
  "post /v1/approvals/{id}/deny": {
    200: async () => post(`/v1/approvals/${await question()}/deny`),
    invalid_request: () => post(`/v1/approvals/${randomUUID()}/deny?for=ever`),
    not_found: () => post(`/v1/approvals/${randomUUID()}/deny`),
  },
  "delete /v1/chats/{chatId}": {
    200: async () => {
      await answerOf(own, put(chat("forgotten"), { contact: { tier: "family" } }));
      return { ...get(chat("forgotten")), method: "DELETE" };
    },
    invalid_chat_id: () => ({ ...get(badChat), method: "DELETE" }),
    not_found: () => ({ ...get(chat("stranger")), method: "DELETE" }),
  },
  "get /v1/pending": {
    200: async () => {
      await answerOf(own, post(chat("knocking", "/messages"), { text: "hello" }));
      return get("/v1/pending?limit=1");
    },
    invalid_request: () => get("/v1/pending?limit=0"),
  },
  "post /v1/chats/{chatId}/admit": {
    200: () => post(chat("admitted", "/admit"), { tier: "family", name: "Ann" }),
    ...badBodies(chat("admitted", "/admit")),
    invalid_request: () => post(chat("admitted", "/admit"), { tier: "family", name: "" }),
    invalid_chat_id: () => post(`${badChat}/admit`, { tier: "family" }),
    unknown_tier: () => post(chat("admitted", "/admit"), { tier: "friends" }),
  },
  "post /v1/chats/{chatId}/dismiss": {
    200: async () => {
      await answerOf(own, post(chat("knocking", "/messages"), { text: "hello" }));
      return post(chat("knocking", "/dismiss"));
    },
    invalid_chat_id: () => post(`${badChat}/dismiss`),
    not_found: () => post(chat("alice", "/dismiss")),
  },
  "get /v1/usage": {
    200: () => get("/v1/usage?days=400"),
    invalid_request: () => get("/v1/usage?days=0"),
  },
  "get /v1/chats/{chatId}/processes": {
    200: () => get(chat("alice", "/processes?limit=2")),
    invalid_request: () => get(chat("alice", "/processes?limit=0")),
    invalid_chat_id: () => get(`${badChat}/processes`),
    not_found: () => get(chat("stranger", "/processes")),
  },
  "get /v1/chats/{chatId}/usage": {
    200: () => get(chat("alice", "/usage")),
    invalid_request: () => get(chat("alice", "/usage?days=401")),
    invalid_chat_id: () => get(`${badChat}/usage`),
    not_found: () => get(chat("stranger", "/usage")),
  },
  "post /v1/allow-more": {
    200: () => post("/v1/allow-more", { usd: 0.5, tier: "family" }),
    ...badBodies("/v1/allow-more"),
    invalid_request: () => post("/v1/allow-more", { usd: 0 }),
    unknown_tier: () => post("/v1/allow-more", { usd: 1, tier: "friends" }),
  },
  "post /v1/chats/{chatId}/allow-more": {
    200: () => post(chat("alice", "/allow-more"), { usd: 0.5 }),
    ...badBodies(chat("alice", "/allow-more")),
    invalid_request: () => post(chat("alice", "/allow-more"), { usd: 1, tier: "family" }),
    invalid_chat_id: () => post(`${badChat}/allow-more`, { usd: 1 }),
    not_found: () => post(chat("stranger", "/allow-more"), { usd: 1 }),
  },
  "get /v1/registry": { 200: () => get("/v1/registry") },
  "post /v1/registry": {
    200: () =>
      post("/v1/registry?mapTier=wife%3Dpartner", { carol: { session_name: "carol", tier: "wife" } }),
    invalid_request: () => post("/v1/registry?mapTier=wife", {}),
    invalid_registry: () => post("/v1/registry", { carol: {} }),
    invalid_text: () => ({ ...post("/v1/registry"), body: notText }),
    unknown_tier: () => post("/v1/registry", { carol: { session_name: "carol", tier: "wife" } }),
    too_large: () => ({
      ...post("/v1/registry", {}),
      headers: { "content-length": String(2 ** 40), "content-type": "application/json" },
    }),
    unsupported_media_type: () => ({ ...post("/v1/registry", {}), headers: asForm }),
  },
  ...Object.fromEntries(
    ["stop", "close", "restart", "reset", "undo-reset", "wake"].map((action) => [
      `post /v1/chats/{chatId}/${action}`,
      {
        200: async () => {
          if (action === "undo-reset") await answerOf(own, post(chat("alice", "/reset")));
          return post(chat("alice", `/${action}`));
        },
        invalid_chat_id: () => post(`${badChat}/${action}`),
        not_found: () => post(chat("stranger", `/${action}`)),
        ...(action === "restart" && {
          refused_contact: async () => {
            await answerOf(own, put(chat("unwelcome"), { contact: { tier: "unknown" } }));
            return post(chat("unwelcome", `/${action}`));
          },
        }),
        ...(action === "undo-reset" && {
          busy: async () => {
            await answerOf(own, post(chat("busy", "/messages"), message()));
            return post(chat("busy", `/${action}`));
          },
        }),
      },
    ]),
  ),
};

/** The same for every operation: what stands before the routes, and what comes from below them. */
const everywhere: Record<string, (call: Call) => Promise<Response>> = {
  unauthorized: (call) => answerOf(own, { ...call, headers: { authorization: "Bearer wrong" } }),
  foreign_host: (call) => answerOf(own, call, "http://evil.example"),
  foreign_origin: (call) => answerOf(own, { ...call, headers: { origin: "http://evil.example" } }),
  starting: (call) => answerOf(startingApi(silent), call),
  draining: (call) => answerOf(api(switchboard, { ending: AbortSignal.abort() }), call),
  internal: (call) => {
    const defect = new Error("a defect");
    const shutdown = () => {
      throw defect;
    };
    return answerOf(api(failing(defect), { shutdown }), call);
  },
};
for (const code of ["storage_full", "storage_busy", "storage_failed"] satisfies ErrorCode[]) {
  everywhere[code] = (call) => answerOf(api(failing(new SwitchboardError(code, "the disk"))), call);
}

describe("the API's document", () => {
  before(async () => {
    const sent = await answerOf(own, post(chat("alice", "/messages?wait=60"), message()));
    ({ id: known } = await jsonOf(sent));
  });

  it("is valid OpenAPI", async () => {
    const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    assert.ok(valid, JSON.stringify(errors));
  });

  it("names every route that is served, and none that is not", () => {
    assert.deepEqual(
      Object.entries(document.paths)
        .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
        .sort(),
      Object.keys(drivers).sort(),
    );
  });

  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      const own = drivers[`${method} ${path}`] ?? {};

      it(`${method.toUpperCase()} ${path} answers nothing that is not in it`, async () => {
        for (const [expected, call] of Object.entries(own)) {
          await asDocumented(path, method, await answerOf(api(switchboard), await call()));
          if (!/^\d/.test(expected)) assert.ok(JSON.stringify(responses).includes(`"${expected}"`), expected);
        }
        const ordinary = own[200] ?? own[202] ?? assert.fail("nothing drives it");
        for (const [code, meet] of Object.entries(everywhere)) {
          // Nothing that is only read meets a full disk.
          if (method === "get" && code === "storage_full") continue;
          await asDocumented(path, method, await meet(await ordinary()));
        }
      });

      for (const [status, response] of Object.entries(responses)) {
        for (const expected of status < "300" ? [null] : codesIn(response)) {
          it(`${method.toUpperCase()} ${path} answers ${status}${expected === null ? "" : ` ${expected}`}`, async () => {
            const answer = await drive(own, status, expected);
            assert.equal(answer.status, Number(status));
            assert.equal(await asDocumented(path, method, answer), expected);
            if (status === "503" || status === "429")
              assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
          });
        }
      }
    }
  }
});

async function drive(
  drivers: Record<string, () => Call | Promise<Call>>,
  status: string,
  code: string | null,
): Promise<Response> {
  if (code === "overloaded" || code === "rate_limited") {
    const crowded = new SwitchboardError(code, "many wait");
    return await answerOf(api(failing(crowded)), (await drivers[202]?.()) ?? assert.fail());
  }
  const special = drivers[code ?? status];
  if (special !== undefined) return await answerOf(own, await special());
  const general = code === null ? undefined : everywhere[code];
  const ordinary = drivers[200] ?? drivers[202];
  assert.ok(general && ordinary, `nothing drives ${status} ${code}`);
  return await general(await ordinary());
}

/** The codes that the document allows with a status. */
function codesIn(response: Operation["responses"][string]): string[] {
  const found = JSON.stringify(response).match(/"code":\{"type":"string","enum":(\[[^\]]*\])\}/)?.[1];
  return JSON.parse(found ?? assert.fail(`no codes in ${JSON.stringify(response)}`));
}
