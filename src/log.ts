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

/** With all its children. */
export interface LevelLogger extends Logger {
  level: LogLevel;
}

/**
 * One JSON line an event on `fd` (default 2, stderr: stdout belongs to what the command answers).
 * Contact text is never logged.
 */
export function createLogger(level: LogLevel, fd = 2): LevelLogger {
  let current = level;
  const logger = pino(
    {
      level: "debug",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: {
        // A child of pino keeps the level that its parent had when it was made.
        logMethod(args, method, at) {
          if (at >= (pino.levels.values[current] ?? Infinity)) method.apply(this, args);
        },
      },
    },
    pino.destination({ fd, sync: true }),
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => logger.child(fields),
    get level() {
      return current;
    },
    set level(level) {
      current = level;
    },
  };
}

/** For embedders who passed no logger. */
export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};
