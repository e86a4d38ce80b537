import type { Report } from './format.ts'

/**
 * The exit code of commands that compare: 1 if anything differs, 3 if something is missing or nothing was compared, else
 * 0. An error of use or of the system is 2, and leaves no report to ask about.
 */
export function exitCodeOf({ findings }: Pick<Report, 'findings'>): 0 | 1 | 3 {
  return findings.exitCode
}
