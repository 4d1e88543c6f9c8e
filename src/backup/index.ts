export { type BackupOptions, backUp, type Progress } from "./backup.ts";
export { BackupError, type BackupErrorCode } from "./contents.ts";
export { type RestoreOptions, restore } from "./restore.ts";
