/** The log for somebody who sits before it: a line each, with the time of the day, and colours where they are wanted. */

import { createLogger, type LevelLogger, type LogLevel } from "../log.ts";

/** On stderr. Only here is what lays it out loaded: a journal or a file gets JSON. */
export async function createTerminalLogger(level: LogLevel): Promise<LevelLogger> {
  const { default: pretty } = await import("pino-pretty");
  return createLogger(
    level,
    pretty({
      destination: 2,
      sync: true,
      singleLine: true,
      // The words say them, or whoever looks for them reads JSON.
      ignore: "event,seq,externalId",
      colorize: process.stderr.hasColors(),
      translateTime: "SYS:HH:MM:ss",
    }),
  );
}
