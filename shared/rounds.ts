import type { CellRecord } from './cell.ts'
import { createStream } from './random/stream.ts'

/** One execution to be made. */
export interface Turn<Cell> {
  readonly cell: Cell
  readonly repetition: number
}

/**
 * The order in which one agent makes its executions: repetition 0 of all cells, then 1 of all, and so on. Within each
 * round the cells come in a random order. If the cells kept their places, whatever follows the clock on a machine would
 * look like an effect of the condition that comes first.
 *
 * The order is drawn from the stream `rounds/RUN/AGENT` of seed 0: the same run has the same order after a restart.
 *
 * @param cells of one agent
 * @param run what names the run
 */
export function permutedRounds<Cell extends Pick<CellRecord, 'id' | 'position' | 'repetitions'>>(
  cells: readonly Cell[],
  run: string,
  agent: string,
): Turn<Cell>[] {
  const stream = createStream('0', `rounds/${run}/${agent}`)
  // The order must not depend on how the cells were stored.
  const ordered = cells.toSorted((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1))
  const rounds = ordered.reduce((most, { repetitions }) => Math.max(most, repetitions), 0)
  return Array.from({ length: rounds }, (_, repetition) => {
    const round = ordered.filter(({ repetitions }) => repetition < repetitions)
    return Array.from(stream.permutation(round.length), (place) => ({ cell: round[place] as Cell, repetition }))
  }).flat()
}
