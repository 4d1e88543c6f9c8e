export { adoptTranscript, transcriptsIn } from "./adopt.ts";
export * from "./claude.ts";
export { claudeCode } from "./process.ts";
export { openSpace, spaceOf } from "./space.ts";
export { findTranscript, savedCost, takenUuids } from "./transcript.ts";
