import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LiveText } from "../../src/cli/live-text.ts";
import { windowAfter } from "./terminal.ts";

describe("a text that is being written on a terminal", () => {
  function terminal(columns: number, rows: number) {
    let output = "";
    const write = (text: string) => {
      // As the terminal's own line discipline does it.
      output += text.replaceAll("\n", "\r\n");
      return true;
    };
    const live = new LiveText({ columns, rows, write });
    return { live, write, window: () => windowAfter(output, { columns, rows }), output: () => output };
  }

  it("grows at its end, with nothing written twice", () => {
    const { live, output } = terminal(20, 10);
    live.show("Hel");
    live.show("Hello");
    live.end();
    assert.equal(output(), "Hello\r\n");
  });

  it("takes back what has changed, also where it had gone over several lines", () => {
    const { live, window } = terminal(10, 10);
    live.show("before");
    live.end();
    live.show("a first try that is long\nand more");
    live.show("second");
    live.show("second try");
    live.end();
    assert.deepEqual(window(), ["before", "second try"]);
  });

  it("leaves what stands above a tool's line, and changes what came after", () => {
    const { live, write, window } = terminal(20, 10);
    live.show("Let me look.");
    live.interrupt();
    write("· Read\n");
    live.show("Let me look.It says");
    live.show("Let me look.It is");
    live.end();
    assert.deepEqual(window(), ["Let me look.", "· Read", "It is"]);
  });

  it("is written once more, whole, when what has changed cannot be taken back", () => {
    const above = terminal(20, 10);
    above.live.show("Let me look.");
    above.live.interrupt();
    above.write("· Read\n");
    above.live.show("Let me look.It");
    above.live.show("I looked.");
    above.live.end();
    assert.deepEqual(above.window(), ["Let me look.", "· Read", "It", "I looked."]);

    const tall = terminal(5, 3);
    tall.live.show("1\n2\n3\n4");
    tall.live.show("new");
    tall.live.end();
    assert.deepEqual(tall.window(), ["4", "new"]);
  });

  it("goes on below a line that somebody has typed", () => {
    const { live, write, window } = terminal(20, 10);
    live.show("One ");
    write("typed\n");
    live.lineBegun();
    live.show("One two");
    live.end();
    assert.deepEqual(window(), ["One typed", "two"]);
  });

  it("stands there as it is at its end, whatever it was before", () => {
    const texts = fc.array(fc.stringMatching(/^[ab \n]{0,30}$/), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(texts, fc.integer({ min: 2, max: 12 }), (versions, columns) => {
        const { live, window } = terminal(columns, 40);
        for (const text of versions) live.show(text);
        live.end();
        const once = terminal(columns, 40);
        once.live.show(versions.at(-1) ?? "");
        once.live.end();
        assert.deepEqual(window(), once.window());
      }),
    );
  });
});
