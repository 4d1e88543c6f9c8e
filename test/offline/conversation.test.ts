import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { readConversation, summarize, userMessages } from "../../src/offline/conversation.ts";
import {
  assistant,
  ENVIRONMENT,
  facts,
  fold,
  reminder,
  request,
  system,
  toolCall,
  toolResult,
  user,
} from "./compose.ts";

describe("what people said is read out of a request", () => {
  test("whatever it is, as it was sent, oldest first", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.endsWith("\n"));
    const turn = fc.array(text, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 5 }), (turns) => {
        const body = request(...turns.flatMap((texts) => [user(...texts), assistant("Yes.")]));
        assert.deepEqual(userMessages(body), turns.flat());
      }),
    );
  });

  test("from older turns too, whose content has become a string", () => {
    const older = { role: "user" as const, content: "one" };
    assert.deepEqual(userMessages(request(older, assistant("Yes."), user("two"))), ["one", "two"]);
  });

  test("without the reminders that the CLI puts around it, as blocks or as system messages", () => {
    const body = request(
      user(reminder(ENVIRONMENT), reminder("Today's date is 2026-11-22."), "hello"),
      system(ENVIRONMENT),
      assistant("Yes."),
      { role: "system", content: [] },
      user("again"),
      system("You are powered by the model named Opus 5.5."),
    );
    assert.deepEqual(userMessages(body), ["hello", "again"]);
  });

  test("without the texts that the CLI makes up", () => {
    const body = request(
      user("one"),
      assistant("No response requested."),
      user("two", "Continue from where you left off."),
      assistant("Ye"),
      user("Your response above was cut off mid-stream. Resume directly from where it stops — no apology"),
      assistant("s."),
      user("Output token limit hit. Resume directly — no apology, no recap of what you were doing."),
      user("[Request interrupted by user]", "three"),
      user("[Request interrupted by user for tool use]", "what is this", "[Image: source: /tmp/1.png]"),
      user(
        "[Your previous response had no visible output. Please continue and produce a user-visible response.]",
      ),
      user("(no content)"),
      user(
        "<local-command-caveat>The command below was run directly</local-command-caveat>",
        "<command-name>/compact</command-name>",
        "<local-command-stdout>Compacted</local-command-stdout>",
      ),
    );
    assert.deepEqual(userMessages(body), ["one", "two", "three", "what is this"]);
  });

  test("without tool results", () => {
    const body = request(
      user("run it"),
      toolCall(),
      toolResult("a.txt"),
      toolCall(),
      toolResult([{ type: "text", text: "b" }]),
    );
    assert.deepEqual(userMessages(body), ["run it"]);
  });

  test("also when it was folded into a running turn: in the tool's result, in its blocks, or as a system message", () => {
    const body = request(
      user("run it"),
      toolCall(),
      toolResult(
        `a.txt\n\n${reminder(fold("stop\nplease"))}\n\n${reminder("<total_tokens>9 tokens left</total_tokens>")}`,
      ),
      toolCall(),
      toolResult([
        { type: "image", source: {} },
        { type: "text", text: reminder(fold("and this")) },
      ]),
      toolCall(),
      toolResult("c.txt"),
      system(`${fold("one more")}\n\n${fold(`${facts({ name: "Bo" })}\nand another`)}`),
    );
    assert.deepEqual(userMessages(body), ["run it", "stop\nplease", "and this", "one more", "and another"]);
    assert.equal(readConversation(body).contactName, "Bo");
  });

  test("without Switchboard's contact facts, whose name is the contact's unless it is a group's", () => {
    const person = request(user(facts({ name: "John", tier: "family", kind: "person" }), "hello"));
    assert.deepEqual(userMessages(person), ["hello"]);
    assert.equal(readConversation(person).contactName, "John");

    const group = request(user(facts({ name: "The family", tier: "family", kind: "group" }), "Anna: hello"));
    assert.deepEqual(userMessages(group), ["Anna: hello"]);
    assert.equal(readConversation(group).contactName, undefined);

    const broken = request(user("Contact facts from Switchboard: {oops}", "hello"));
    assert.deepEqual(userMessages(broken), ["hello"]);
  });
});

describe("the messages that an answer is for", () => {
  const open = (...messages: Parameters<typeof request>) => readConversation(request(...messages)).open;

  test("are those since the model last answered", () => {
    assert.deepEqual(open(user("one"), assistant("Yes."), user("two", "three")), ["two", "three"]);
  });

  test("are those of the whole turn while tools run in it", () => {
    const folded = toolResult(`a.txt\n\n${reminder(fold("two"))}`);
    assert.deepEqual(open(user("zero"), assistant("Yes."), user("one"), toolCall(), folded), ["one", "two"]);
    assert.deepEqual(open(user("one"), toolCall(), folded, assistant("Done."), user("three")), ["three"]);
  });

  test("are not those of a turn that was interrupted", () => {
    assert.deepEqual(open(user("one", "[Request interrupted by user]", "two")), ["two"]);
    assert.deepEqual(
      open(
        user("one"),
        toolCall(),
        toolResult("rejected", "[Request interrupted by user for tool use]", "two"),
      ),
      ["two"],
    );
  });

  test("are still the same when the model is asked to go on", () => {
    const cut = user("Your response above was cut off mid-stream. Resume directly from where it stops");
    const silent = user("[Your previous response had no visible output. Please continue and …]");
    assert.deepEqual(open(user("one"), assistant("Yes."), user("two"), assistant("Hal"), cut), ["two"]);
    assert.deepEqual(open(user("one"), assistant("Yes."), user("two"), silent), ["two"]);
    assert.deepEqual(
      open(user("one"), toolCall(), toolResult("unknown", "Continue from where you left off.")),
      ["one"],
    );
  });
});

test("a summary keeps what was said, what is open and who the contact is", () => {
  const before = request(
    user(facts({ name: "John" }), "one"),
    assistant("Yes."),
    user("two"),
    toolCall(),
    toolResult("a.txt", "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.\n\nYour task is …"),
  );
  const conversation = readConversation(before);
  assert.equal(conversation.compacting, true);
  const summary = summarize(conversation).replace(/<summary>\s*(.*)\s*<\/summary>/, "Summary:\n$1");
  const after = request(
    user(
      `This session is being continued from a previous conversation that ran out of context.\n\n${summary}\n\nIf you need …`,
    ),
    toolCall(),
    toolResult("a.txt"),
    system(fold("three")),
  );
  assert.deepEqual(readConversation(after), {
    earlier: ["one"],
    open: ["two", "three"],
    contactName: "John",
    begun: "",
    compacting: false,
  });
});
