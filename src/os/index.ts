/** Processes of the machine: the only place that knows /proc, ps, signals to others, setpriv and macOS. */
export { type Activity, activity } from "./activity.ts";
export { SpawnError } from "./command.ts";
export type { Guard } from "./guard.ts";
export { type HomeHolder, type HomeLock, HomeLockError, lockHome } from "./home-lock.ts";
export { homeId, type Marker } from "./marker.ts";
export { memoryOfTrees, totalMemory } from "./memory.ts";
export { whyNoSandbox } from "./sandbox.ts";
export { type Exit, type GuardedProcess, type SpawnGuardedOptions, spawnGuarded } from "./spawn.ts";
export { listMarked, type MarkedProcess, sweep } from "./sweep.ts";
export { type EndOptions, killTree, type Tree, TreeSurvivedError, treeGone } from "./tree.ts";
