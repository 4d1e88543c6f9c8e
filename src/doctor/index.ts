export { type Check, checksOf } from "./checks.ts";
export { factsOf } from "./installation.ts";
export { tryWalls, type WallResult } from "./walls.ts";
