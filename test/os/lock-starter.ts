/** A starter for the tests: takes the lock of the home given, prints the answer, and stays if it got it. */
import { systemClock } from "../../src/clock.ts";
import { lockHome } from "../../src/os/index.ts";

const answer = await lockHome(process.argv[2] ?? "", { clock: systemClock });
globalThis.gc?.();
console.log(JSON.stringify("heldBy" in answer ? answer : { won: process.pid }));
if (!("heldBy" in answer)) setInterval(() => {}, 60_000);
