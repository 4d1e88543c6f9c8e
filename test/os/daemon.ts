/**
 * A daemon for the tests: starts `sh -c` for each script given, prints the first line of each as a JSON
 * array, and stays.
 */
import { shell } from "./fixtures.ts";

const [homeId = "", guard = "", ...scripts] = process.argv.slice(2);
if (guard !== "pdeathsig" && guard !== "watcher") throw new Error(`no guard: ${guard}`);
const started = await Promise.all(scripts.map((script) => shell(homeId, script, { guard })));
console.log(JSON.stringify(started.map((process) => process.firstLine)));
