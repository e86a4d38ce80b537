/** What the daemon started this runner with: a clean environment, and the variables that knobs set. */
export function runnerEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
