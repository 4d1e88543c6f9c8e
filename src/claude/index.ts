export { adoptTranscript, transcriptsIn } from "./adopt.ts";
export * from "./claude.ts";
export { copyTranscript, lookAfter, putTranscriptAside, takeLastTurnOut } from "./copy.ts";
export { claudeExecutable, claudeVersion } from "./executable.ts";
export { claudeCode } from "./process.ts";
export { asideFolders, openSpace, removeSpace, spaceOf } from "./space.ts";
export { clearTraces } from "./traces.ts";
export { findTranscript, lastTurn, readTurns, savedCost } from "./transcript.ts";
export type { TranscriptTurn } from "./turns.ts";
