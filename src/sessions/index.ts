export { Manager, type ManagerOptions } from "./manager.ts";
export { Pool } from "./pool.ts";
