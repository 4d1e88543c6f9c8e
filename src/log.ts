import { pino } from "pino";

/** The part of pino's interface that Switchboard uses; any logger of this shape can be passed in. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/**
 * One JSON line an event on `fd` (default 2, stderr: stdout belongs to what the command answers).
 * Contact text is never logged.
 */
export function createLogger(level: LogLevel, fd = 2): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd, sync: true }),
  );
}

/** For embedders who passed no logger. */
export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};
