/** Statements as they were read, before they are parted into facts and attributes; what is undefined is left out. */
export type Observed = Record<string, string | undefined>

/** A captured text's `key: value` lines; of a key that stands more than once, the first. */
export function parseColonLines(text: string): Map<string, string> {
  const lines = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^\s*([^:]+?)\s*:\s*(.*?)\s*$/.exec(line)
    if (match !== null && !lines.has(match[1] as string)) lines.set(match[1] as string, match[2] as string)
  }
  return lines
}

/** A file's `KEY=value` lines with quotes taken off, as in os-release(5). */
export function parseAssignments(text: string): Map<string, string> {
  const lines = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(["']?)(.*)\2$/.exec(line.trim())
    if (match !== null) lines.set(match[1] as string, match[3] as string)
  }
  return lines
}
