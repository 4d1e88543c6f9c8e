import { pino } from "pino";

/** The part of pino's interface that Switchboard uses; any logger of this shape can be passed in. */
export interface Logger {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";

/** With all its children. */
export interface LevelLogger extends Logger {
  level: LogLevel;
}

/**
 * One JSON line an event, to a file descriptor or whatever takes lines. Default: 2, stderr, for stdout belongs to what the
 * command answers. What contacts and models write is logged at `trace` alone.
 */
export function createLogger(level: LogLevel, to: number | { write(line: string): void } = 2): LevelLogger {
  let current = level;
  const logger = pino(
    {
      level: "trace",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: {
        // A child of pino keeps the level that its parent had when it was made.
        logMethod(args, method, at) {
          if (at >= (pino.levels.values[current] ?? Infinity)) method.apply(this, args);
        },
      },
    },
    typeof to === "number" ? pino.destination({ fd: to, sync: true }) : to,
  );
  return {
    trace: (fields, message) => logger.trace(fields, message),
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
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};
