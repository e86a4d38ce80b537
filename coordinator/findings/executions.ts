import type { ReportCell } from '../report/format.ts'

/** How many executions of a cell completed. */
export function executionsOf({ traces }: Pick<ReportCell, 'traces'>): number {
  return traces.filter((trace) => trace !== null).length
}

/** The least number of completed executions of some cells; 0 if there are none. */
export function leastExecutions(cells: readonly Pick<ReportCell, 'traces'>[]): number {
  if (cells.length === 0) return 0
  return cells.reduce((least, cell) => Math.min(least, executionsOf(cell)), Infinity)
}

/** Marks a difference that was seen and not claimed. */
export function tooFewText(executions: number, needs: number, lead = 'This was seen, with'): string {
  const more =
    needs > executions
      ? `: the cells ran ${executions === 1 ? 'once' : `${executions} times`}, a claim needs ${needs}`
      : ''
  return `${lead} too few executions to be claimed${more}.`
}
