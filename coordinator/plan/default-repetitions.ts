import { executionsNeeded } from '../../shared/executions-needed.ts'
import { type CountedCell, countTrialPairs } from './trial-pairs.ts'

/** More than this a plan must ask for itself: each execution is a process. */
export const mostDefaultRepetitions = 6

/** Repetitions where the plan leaves them out: the least that its own trials need, at most six. */
export function defaultRepetitions(
  cells: readonly CountedCell[],
  joined: boolean,
): { repetitions: number; needed: number } {
  const needed = executionsNeeded(countTrialPairs(cells, joined))
  return { repetitions: Math.min(needed, mostDefaultRepetitions), needed }
}
