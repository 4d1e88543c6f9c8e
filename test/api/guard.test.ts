import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, it } from "node:test";
import { type Face, serve, token } from "./face.ts";
import { MemorySwitchboard } from "./memory.ts";

describe("who may ask", () => {
  let face: Face;
  before(async () => {
    face = await serve(new MemorySwitchboard());
  });
  after(() => face.end());

  /** fetch would not send a foreign Host. */
  function get(
    path: string,
    headers: Record<string, string>,
    to = face,
  ): Promise<{ status: number; code: string }> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(to.url);
      request({ hostname, port, path, headers }, async (response) => {
        let text = "";
        for await (const chunk of response) text += chunk;
        const body = text.startsWith("{") ? JSON.parse(text) : {};
        resolve({ status: response.statusCode ?? 0, code: body.error?.code ?? "" });
      })
        .on("error", reject)
        .end();
    });
  }
  const authorization = `Bearer ${token}`;

  it("answers nothing under /v1 without the token, whether it exists or not", async () => {
    for (const path of [
      "/v1/chats",
      "/v1/events",
      "/v1/chats/x",
      "/v1/nothing",
      "/v1/openapi.json",
      "/nothing",
    ]) {
      const { status, headers, body } = await face.call("GET", path, { headers: { authorization: "" } });
      assert.deepEqual([path, status, body.error.code], [path, 401, "unauthorized"]);
      assert.equal(headers.get("www-authenticate"), 'Bearer realm="switchboard"');
    }
    const sent = await face.call("POST", "/v1/chats/x/messages", {
      json: { text: "x" },
      headers: { authorization: "" },
    });
    assert.equal(sent.status, 401);
  });

  it("takes only the whole token, as a bearer", async () => {
    for (const wrong of [
      "Bearer x",
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
      token,
      "Bearer ",
    ]) {
      assert.equal(
        (await face.call("GET", "/v1/chats", { headers: { authorization: wrong } })).status,
        401,
        wrong,
      );
    }
    assert.equal(
      (await face.call("GET", "/v1/chats", { headers: { authorization: `bearer ${token}` } })).status,
      200,
    );
  });

  it("tells anyone on this machine that it lives, and whether it is ready", async () => {
    for (const path of ["/", "/healthz", "/readyz"]) {
      assert.equal((await face.call("GET", path, { headers: { authorization: "" } })).status, 200, path);
    }
  });

  it("refuses a Host that is not its own, also where no token is needed", async () => {
    const port = new URL(face.url).port;
    for (const host of [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1.evil.example",
      "192.0.2.7",
      "localhost.",
    ]) {
      for (const path of ["/", "/healthz", "/readyz", "/v1/chats"]) {
        const { status, code } = await get(path, { host, authorization });
        // What is no host at all is refused below us, without a code.
        assert.ok(
          status === 403 ? code === "foreign_host" : status === 400,
          `${path} of "${host}": ${status} ${code}`,
        );
      }
    }
    for (const host of ["localhost", `LOCALHOST:${port}`, "127.0.0.1", `[::1]:${port}`, "localhost:1"]) {
      assert.equal((await get("/v1/chats", { host, authorization })).status, 200, host);
    }
  });

  it("is known by every address, but by no other name, when it listens on all of them", async () => {
    const everywhere = await serve(new MemorySwitchboard(), { host: "0.0.0.0" });
    try {
      assert.equal((await get("/v1/chats", { host: "192.0.2.7:80", authorization }, everywhere)).status, 200);
      assert.equal((await get("/v1/chats", { host: "evil.example", authorization }, everywhere)).status, 403);
    } finally {
      await everywhere.end();
    }
  });

  it("refuses what another site's page sends", async () => {
    const { port, host } = new URL(face.url);
    for (const origin of [
      "http://evil.example",
      "null",
      `https://${host}`,
      `http://localhost:${Number(port) + 1}`,
      "http://127.0.0.1",
    ]) {
      const { status, body } = await face.call("GET", "/v1/chats", { headers: { origin } });
      assert.deepEqual([origin, status, body.error.code], [origin, 403, "foreign_origin"]);
    }
    assert.equal((await face.call("GET", "/v1/chats", { headers: { origin: face.url } })).status, 200);
  });
});
