/** Whoever waits at a terminal for longer than a second sees for what, and since when. */

/** ms until it is said, and between two words about it. */
const everyMs = 1000;

/** As `work`; the line about it goes with its end. On stderr, and only where that is a terminal: scripts see nothing of it. */
export async function whileWaiting<T>(what: string, work: Promise<T>): Promise<T> {
  const { stderr } = process;
  if (!stderr.isTTY) return await work;
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += everyMs / 1000;
    stderr.write(`${lineAgain}${what} … ${seconds} s`);
  }, everyMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (seconds > 0) stderr.write(lineAgain);
  }
}

/** From the line's beginning, with nothing in it. */
const lineAgain = "\r\x1b[K";
