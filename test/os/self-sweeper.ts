/** A daemon that was started from a session's shell: it carries the marker of the home that it sweeps. */
import { systemClock } from "../../src/clock.ts";
import { silent } from "../../src/log.ts";
import { sweep } from "../../src/os/index.ts";

const ended = await sweep(process.argv[2] ?? "", { clock: systemClock, log: silent });
console.log(JSON.stringify(ended.map(({ pid }) => pid)));
