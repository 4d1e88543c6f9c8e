/** Unless a test is about that, no process is started that it did not ask for: the config that says so. */
export function asToldOnly(config = ""): string {
  const early = ["resume_recent", "spares"].filter((key) => !config.includes(key));
  return [...early.map((key) => `processes.${key} = 0`), config].join("\n");
}
