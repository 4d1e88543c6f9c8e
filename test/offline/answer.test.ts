import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answer } from "../../src/offline/answer.ts";
import { assistant, facts, fold, reminder, request, toolCall, toolResult, user } from "./compose.ts";

/** The answer to the last of these messages, each of which had a turn of its own. */
const after = (...texts: string[]) =>
  answer(request(...texts.flatMap((text) => [assistant("Yes."), user(text)])));

describe("the offline model's answer", () => {
  test("repeats the message and tells how many earlier ones it remembers", () => {
    assert.equal(after("hello"), 'You said: "hello". I remember no earlier messages.');
    assert.equal(after("one", "hello"), 'You said: "hello". I remember 1 earlier message.');
    assert.equal(after("one", "two", "three", "hello"), 'You said: "hello". I remember 3 earlier messages.');
  });

  test('to "What did I just say?" quotes the last message that was not such a question', () => {
    assert.equal(after("one", "two", "What did I just say?"), 'You just said: "two".');
    assert.equal(
      after("one", "what did i say", "What did I just say?", "WHAT DID I JUST SAY"),
      'You just said: "one".',
    );
    assert.equal(after("What did I just say?!"), "You have not said anything yet.");
  });

  test('to "What did I say?" quotes everything it can see, newest first, at most ten', () => {
    assert.equal(after("one", "two", "What did I say?"), 'You said, newest first: "two", "one".');
    const many = Array.from({ length: 12 }, (_, i) => `m${i + 1}`);
    assert.equal(
      after(...many, "What did I say?"),
      'You said, newest first: "m12", "m11", "m10", "m9", "m8", "m7", "m6", "m5", "m4", "m3".',
    );
    assert.equal(after("one", "What did I say?", " what  did I say… "), 'You said, newest first: "one".');
    assert.equal(after("What did I say?"), "You have not said anything yet.");
  });

  test('to "What is my name?" tells the name it was told last', () => {
    assert.equal(after("What is my name?"), "You have not told me your name.");
    for (const [told, name] of [
      ["My name is John.", "John"],
      ["hi, my name is anna", "anna"],
      ["I am Jean-Luc O’Neill and tired", "Jean-Luc O’Neill"],
      ["Well, I'm Zoë!", "Zoë"],
      ["Please call me Ishmael, will you", "Ishmael"],
      ["my name is 小明。", "小明"],
    ] as const)
      assert.equal(after("My name is Nobody", told, "what is my name"), `Your name is ${name}.`, told);
    for (const told of ["I am tired", "call me later", "what is my name then"])
      assert.equal(after(told, "What is my name?"), "You have not told me your name.", told);
  });

  test("knows the name from the contact facts until it is told another", () => {
    const known = user(facts({ name: "John", tier: "family", kind: "person" }), "hello");
    assert.equal(answer(request(known, assistant("Yes."), user("What is my name?"))), "Your name is John.");
    const told = user("call me Jack");
    assert.equal(
      answer(request(known, assistant("Yes."), told, assistant("Yes."), user("What is my name?"))),
      "Your name is Jack.",
    );
  });

  test("in a group quotes with the speaker and understands questions behind a speaker", () => {
    assert.equal(after("Anna: hello", "Ben: What did I just say?"), 'You just said: "Anna: hello".');
  });

  test("has a line for each message that the turn took in", () => {
    assert.equal(
      answer(request(user("one"), assistant("Yes."), user("two", "What did I just say?", "three"))),
      [
        'You said: "two". I remember 1 earlier message.',
        'You just said: "two".',
        'You said: "three". I remember 3 earlier messages.',
      ].join("\n"),
    );
    const folded = toolResult(`a.txt\n\n${reminder(fold("SECOND"))}`);
    assert.equal(
      answer(request(user("FIRST"), toolCall(), folded)),
      'You said: "FIRST". I remember no earlier messages.\nYou said: "SECOND". I remember 1 earlier message.',
    );
  });

  test("goes on where it was cut", () => {
    const whole = answer(request(user("hello")));
    const cut = user("Output token limit hit. Resume directly — no apology, no recap");
    const first = request(user("hello"), assistant(whole.slice(0, 5)), cut);
    assert.equal(answer(first), whole.slice(5));
    const second = request(...first.messages, assistant(whole.slice(5, 12)), cut);
    assert.equal(answer(second), whole.slice(12));
    const other = request(user("hello"), assistant("Scripted, and"), cut);
    assert.equal(answer(other), whole);
  });

  test("says so when there is nothing to answer", () => {
    assert.equal(
      answer(request(user("one"), assistant("Yes."), user("(no content)"))),
      "There is no new message. I remember 1 earlier message.",
    );
  });

  test("is a summary when the CLI compacts the conversation", () => {
    const text = answer(
      request(
        user("one"),
        assistant("Yes."),
        user("CRITICAL: Respond with TEXT ONLY. Do NOT call any tools."),
      ),
    );
    assert.match(text, /^<summary>\n.*"one".*\n<\/summary>$/);
  });

  test("comes soon, also to messages that are made to be slow to read", () => {
    const slow = [" ", ". ", "a: ", "my name is ", "I am A", "<system-reminder>"];
    const body = request(user(...slow.map((part) => `${part.repeat(100_000)}x`), "What is my name?"));
    const start = performance.now();
    assert.match(answer(body), /^You said/);
    assert.ok(performance.now() - start < 3_000);
  });
});
