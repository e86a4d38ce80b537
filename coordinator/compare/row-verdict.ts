import type { Verdict } from '../report/format.ts'

/** How many there are of what decides a row's verdict. */
type Row = Readonly<
  Record<'classes' | 'nondeterministic' | 'incomplete' | 'absent' | 'compared', { readonly length: number }>
>

/**
 * The verdict of one row, the first that holds. Differences go before gaps: what was compared and differs stays so
 * whatever did not run.
 *
 * @param absentAllowed whether the plan accepts that something is absent on an agent
 */
export function rowVerdict(row: Row, absentAllowed: boolean): Verdict {
  if (row.nondeterministic.length > 0) return 'nondeterministic'
  return verdictBetweenCells(row, absentAllowed)
}

/** The same, when cells that disagree with themselves are left out. */
export function verdictBetweenCells({ classes, incomplete, absent, compared }: Row, absentAllowed: boolean): Verdict {
  if (classes.length > 1) return 'divergent'
  if (incomplete.length > 0 || (absent.length > 0 && !absentAllowed)) return 'incomplete'
  return compared.length < 2 ? 'nothing compared' : 'identical'
}
