import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePs } from "../../src/os/macos.ts";

/** What `LC_ALL=C TZ=UTC ps -Eww -axo pid=,ppid=,pgid=,lstart=,state=,command=` prints on macOS. */
const SAMPLE = `\
    1     0     1 Sun Nov  1 06:00:02 2026     Ss   /sbin/launchd
  512     1   512 Sun Nov 22 13:36:01 2026     S    /opt/claude --verbose PATH=/usr/bin:/bin SWITCHBOARD_PROCESS=0123456789abcdef/42 HOME=/Users/ann
  513   512   513 Sun Nov 22 13:36:04 2026     T    sleep 300 SWITCHBOARD_PROCESS=0123456789abcdef/42
  514   512   513 Sun Nov 22 13:36:04 2026     Z    (sleep)
99998   512 99998 Sun Nov 22 13:36:05 2026     R+   env XSWITCHBOARD_PROCESS=0123456789abcdef/42
99999   512 99998 Sun Nov 22 13:36:05 2026     U    tool SWITCHBOARD_PROCESS=0123456789abcdef/4x
a value that spans lines
`;

test("the lines of macOS' ps become processes with their markers, zombies left out", () => {
  const marker = { homeId: "0123456789abcdef", generation: 42 };
  const at = (time: string) => Date.parse(`2026-11-${time}Z`);
  assert.deepEqual(parsePs(SAMPLE), [
    { pid: 1, parent: 0, group: 1, session: 1, state: "S", startTime: at("01T06:00:02"), marker: undefined },
    { pid: 512, parent: 1, group: 512, session: 512, state: "S", startTime: at("22T13:36:01"), marker },
    { pid: 513, parent: 512, group: 513, session: 513, state: "T", startTime: at("22T13:36:04"), marker },
    {
      pid: 99998,
      parent: 512,
      group: 99998,
      session: 99998,
      state: "R",
      startTime: at("22T13:36:05"),
      marker: undefined,
    },
    {
      pid: 99999,
      parent: 512,
      group: 99998,
      session: 99998,
      state: "U",
      startTime: at("22T13:36:05"),
      marker: undefined,
    },
  ]);
});
