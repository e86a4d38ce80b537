/**
 * CPU seconds, user and system, of what a shell waited for.
 *
 * @param times what `times` prints: a line for the shell and a line for its children, each `0m1.234s 0m0.567s`
 * @returns undefined for any other text
 * @see POSIX.1-2017, Shell Command Language, times
 */
export function childSeconds(times) {
  const line = times.split('\n')[1] ?? ''
  const match = /^(\d+)m(\d+(?:[.,]\d+)?)s (\d+)m(\d+(?:[.,]\d+)?)s$/.exec(line)
  if (!match) return undefined
  const [userMinutes, user, systemMinutes, system] = match.slice(1).map((text) => Number(text.replace(',', '.')))
  return (userMinutes + systemMinutes) * 60 + user + system
}
