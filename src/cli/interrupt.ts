/** How what goes on and on is ended: by Ctrl-C or SIGTERM, in order, and that is no error. */

/** Aborted by the first of them; a second one does not wait for what the first has ended. */
export function interrupted(): AbortSignal {
  const told = new AbortController();
  const tell = () => {
    if (told.signal.aborted) process.exit();
    told.abort();
  };
  process.on("SIGINT", tell);
  process.on("SIGTERM", tell);
  return told.signal;
}
