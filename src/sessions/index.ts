export { type ImportPlaces, sweepImports } from "./import-spaces.ts";
export { Manager, type ManagerOptions } from "./manager.ts";
export { newcomerBytes, Pool } from "./pool.ts";
export { type ImportOptions, importRegistry, registryOf } from "./registry.ts";
export { clearLeft } from "./running.ts";
export type { Session } from "./session.ts";
export { Spares } from "./spares.ts";
