export { adoptTranscript, transcriptsIn } from "./adopt.ts";
export * from "./claude.ts";
export { copyTranscript, lookAfter, putTranscriptAside, takeLastTurnOut } from "./copy.ts";
export { claudeCode } from "./process.ts";
export { openSpace, removeSpace, spaceOf } from "./space.ts";
export { clearTraces } from "./traces.ts";
export { findTranscript, lastTurn, readTurns, savedCost } from "./transcript.ts";
export type { TranscriptTurn } from "./turns.ts";
