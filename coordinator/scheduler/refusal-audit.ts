import { messageOf } from '../../shared/errors.ts'
import type { Store } from '../store/index.ts'

/** Refusals of lines that are recorded of one agent; whoever brings bad proofs must not be able to fill the disk. */
const maxRecorded = 100

/**
 * Has the audit say whose line was refused and why. Names that nobody enrolled share one allowance, as anybody can make
 * them up.
 *
 * @returns what to call with the agent that a line said it is; never rejects
 */
export function createRefusalAudit(
  append: Store['append'],
  isKnown: (agent: string) => boolean,
  log: (message: string) => void,
): (agent: string, reason: string) => Promise<void> {
  const counts = new Map<string, number>()
  return async (agent, reason) => {
    const key = isKnown(agent) ? agent : ''
    const count = (counts.get(key) ?? 0) + 1
    if (count > maxRecorded) return
    counts.set(key, count)
    const subject = agent.slice(0, 100).toWellFormed()
    const detail = `${reason.slice(0, 1000).toWellFormed()}${count === maxRecorded ? '; no more of these are recorded until the next start' : ''}`
    await append({ kind: 'audit', by: 'coordinator', action: 'refused a line as agent', subject, detail }).catch(
      (error: unknown) => log(`a refusal is not in the audit: ${messageOf(error)}`),
    )
  }
}
