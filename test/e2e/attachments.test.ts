/** What contacts attach reaches the model, through crashes too; and a file that its API refuses spoils no conversation. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import type { MessagesRequest, RecordedRequest } from "../../src/offline/index.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { attached, pdf, png } from "../support/files.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
const picture = png(40, 30);

interface Media {
  type: string;
  title?: string;
  source: { type: string; media_type: string; data: string };
}

const mediaIn = ({ messages }: MessagesRequest): Media[] =>
  messages.flatMap(({ content }) =>
    (typeof content === "string" ? [] : content).filter(
      ({ type }) => type === "image" || type === "document",
    ),
  ) as unknown as Media[];
const textOf = ({ body }: RecordedRequest) => JSON.stringify(body.messages);

/** From now on the API refuses every request in which a file stands, or this one, as it does with one that it cannot read. */
function refusing(status: 400 | 413, message: string, file?: Buffer): () => void {
  const data = file?.toString("base64");
  return rig.model.script(({ kind, body }) =>
    kind === "messages" && mediaIn(body).some(({ source }) => data === undefined || source.data === data)
      ? {
          kind: "error",
          status,
          type: status === 400 ? "invalid_request_error" : "request_too_large",
          message,
        }
      : undefined,
  );
}
/** One that Claude Code knows: it takes the file out by itself, and asks again (2.1.330). */
const unreadable = "messages.0.content.2.image.source.base64.data: Could not process image";
/** One that it does not. */
const unknown = "messages.0.content.2: unsupported image file";
const takenOut = (chatId: string) =>
  rig.journal.of(chatId, "notice").filter(({ code }) => code === "files_taken_out").length;

test("a picture, a PDF and a text reach the model after the daemon was killed with them, each under its name", async (t) => {
  const daemon = await startDaemonRig(t);
  const attachments = [
    attached('a "quoted" name.jpg', picture),
    attached("../../etc/passwd", pdf()),
    attached("notes.md", "Grüße\n"),
  ];
  const message = await daemon.tell("ada", "What is this?", { attachments });
  await daemon.kill();
  assert.deepEqual(message.attachments, [
    { name: 'a "quoted" name.jpg', type: "image/png", bytes: picture.length },
    { name: "../../etc/passwd", type: "application/pdf", bytes: pdf().length },
    { name: "notes.md", type: "text/plain", bytes: 8 },
  ]);
  await daemon.start();
  assert.equal((await daemon.ended(message)).status, "answered");
  const request = await daemon.requestWith("What is this?");
  assert.deepEqual(
    mediaIn(request.body).map(({ type, source }) => [type, source.media_type]),
    [
      ["image", "image/png"],
      ["document", "application/pdf"],
      ["document", "text/plain"],
    ],
  );
  const [image, document, text] = mediaIn(request.body);
  assert.equal(image?.source.data, picture.toString("base64"));
  assert.equal(document?.source.data, pdf().toString("base64"));
  assert.deepEqual([text?.source.data, text?.title], ["Grüße\n", "notes.md"]);
  assert.match(textOf(request), /attached is \\"a \\\\\\"quoted\\\\\\" name\.jpg\\", image\/png/);
  const again = await daemon.tell("ada", "And again?");
  await daemon.ended(again);
  assert.equal(mediaIn((await daemon.requestWith("And again?")).body).length, 3, "it is remembered");
});

test("what joins a running turn brings its picture along; a document waits for a turn of its own", async () => {
  const { promise: held, resolve: go } = Promise.withResolvers<void>();
  const read = { kind: "tool" as const, name: "Read", input: { file_path: "x" } };
  rig.script("go", { kind: "gate", until: held, step: read });
  const first = await rig.tell("joiner", "go");
  await rig.requestWith("go");
  const joins = await rig.tell("joiner", "and this picture", { attachments: [attached("x", picture)] });
  const waits = await rig.tell("joiner", "and this paper", { attachments: [attached("x", pdf())] });
  await rig.inLine("joiner", 1);
  go();
  await Promise.all([first, joins, waits].map((message) => rig.ended(message)));
  const [, second, third] = await rig.requests("joiner");
  assert.deepEqual(second && mediaIn(second.body).map(({ type }) => type), ["image"]);
  assert.deepEqual(third && mediaIn(third.body).map(({ type }) => type), ["image", "document"]);
  const { reply } = await rig.switchboard.message(waits.id);
  assert.notEqual(reply?.id, (await rig.switchboard.message(first.id)).reply?.id);
});

test("a picture may come without a word", async () => {
  const message = await rig.say("mute", "", { attachments: [attached("x", picture)] });
  answerOf(message);
  assert.equal(mediaIn((await rig.lastRequest("mute")).body).length, 1);
});

test("a picture that the API refuses fails its own message alone, and earlier ones stay", async (t) => {
  answerOf(await rig.say("bob", "My cat", { attachments: [attached("cat", picture)] }));
  const bad = png(7, 7);
  t.after(refusing(400, unknown, bad));
  const failed = await rig.say("bob", "My dog", { attachments: [attached("dog", bad)] });
  assert.deepEqual([failed.status, failed.error?.code], ["failed", "invalid_request"]);
  answerOf(await rig.say("bob", "Which animal?"));
  const request = await rig.lastRequest("bob");
  assert.match(textOf(request), /My cat/);
  assert.doesNotMatch(textOf(request), /My dog/);
  assert.equal(mediaIn(request.body).length, 1);
  assert.equal(takenOut("bob"), 0);
});

test("a picture that joined a turn, and is refused from now on, is taken out as well", async (t) => {
  const { promise: held, resolve: go } = Promise.withResolvers<void>();
  const read = { kind: "tool" as const, name: "Read", input: { file_path: "x" } };
  rig.script("begin", { kind: "gate", until: held, step: read });
  const first = await rig.tell("late", "begin");
  await rig.requestWith("begin");
  const joins = await rig.tell("late", "Remember: green", { attachments: [attached("x", picture)] });
  await rig.inLine("late", 1);
  go();
  await Promise.all([first, joins].map((message) => rig.ended(message)));
  t.after(refusing(400, unknown));
  answerOf(await rig.say("late", "Which colour?"));
  const request = await rig.lastRequest("late");
  assert.match(textOf(request), /Remember: green/);
  assert.deepEqual(mediaIn(request.body), []);
  assert.equal(takenOut("late"), 1);
});

test("who sends nothing but pictures is answered again behind one that is refused from now on", async (t) => {
  answerOf(await rig.say("album", "", { attachments: [attached("old", picture)] }));
  t.after(refusing(400, unknown, picture));
  const blamed = await rig.say("album", "", { attachments: [attached("one", png(8, 8))] });
  assert.deepEqual([blamed.status, blamed.error?.code], ["failed", "invalid_request"]);
  const own = png(9, 9);
  answerOf(await rig.say("album", "", { attachments: [attached("two", own)] }));
  const media = mediaIn((await rig.lastRequest("album")).body).map(({ source }) => source.data);
  assert.deepEqual(media, [own.toString("base64")]);
  assert.equal(takenOut("album"), 1);
});

for (const [name, status, words, repairs] of [
  ["a file in it that the API refuses from now on", 400, unknown, 1],
  ["a file in it that the API refuses in words that Claude Code knows", 400, unreadable, 0],
  ["more in it than the API takes", 413, "Request exceeds the maximum size", 1],
] as const) {
  test(`a conversation with ${name} goes on without its files, and keeps its words`, async (t) => {
    const chatId = name;
    answerOf(await rig.say(chatId, "Remember: blue", { attachments: [attached("sky", picture)] }));
    const off = refusing(status, words);
    t.after(off);
    const message = await rig.say(chatId, "Which colour?");
    assert.equal(answerOf(message).kind, "answer");
    const request = await rig.lastRequest(chatId);
    assert.match(textOf(request), /Remember: blue/);
    assert.deepEqual(mediaIn(request.body), []);
    assert.equal(takenOut(chatId), repairs);
    answerOf(await rig.say(chatId, "And now?"));
    assert.match(textOf(await rig.lastRequest(chatId)), /Remember: blue.*Which colour/);
    const aside = globSync(`${await rig.transcript(chatId)}.aside-*`);
    const kept = aside.filter((file) => readFileSync(file, "utf8").includes(picture.toString("base64")));
    assert.equal(kept.length, repairs, "as it was");
  });
}

test("a stranger's picture is not decoded, nor that of a message that is there already", async () => {
  const attachments = [attached("x", png(50, 50).subarray(0, 50))];
  await assert.rejects(rig.switchboard.receive("nobody", { text: "Look", attachments }), {
    code: "refused_contact",
  });
  const stranger = { attachments, contact: { tier: "unknown" } };
  await assert.rejects(rig.tell("stranger", "Look", stranger), { code: "refused_contact" });
  await assert.rejects(rig.tell("friend", "Look", { attachments }), {
    code: "invalid_attachment",
    field: "attachments.0",
  });
  const id = "the-same";
  const message = await rig.tell("friend", "Look", { id, attachments: [attached("x", picture)] });
  await assert.rejects(rig.tell("friend", "Look", { id, attachments }), { code: "conflict", field: "id" });
  await rig.ended(message);
});
