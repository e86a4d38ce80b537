import type { z } from 'zod'

/** What is wrong with a value, each fact behind the place it is at. */
export function issuesText({ issues }: z.ZodError): string {
  return issues
    .map((issue) => {
      // Of a key that cannot be, the reason is one level down.
      const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
      return issue.path.length === 0 ? message : `${issue.path.join('.')}: ${message}`
    })
    .join('; ')
}
