import { type Assignment, tally } from './assignments.ts'
import type { Work } from './search.ts'
import { canShowCause, waysToPart } from './ways.ts'

/**
 * Why a claim has no chance figure. `cells`: what is explained are cells of a machine, which are not independent.
 * `tooFewMachines`: even a perfect match could not reach 5 %. `bounded`: the search would take too long.
 */
export type NoFigure = 'cells' | 'tooFewMachines' | 'bounded'

/** How likely machines with randomly exchanged outcomes would be explained as well. */
export interface Chance {
  /** Between 0 and 1; null if there is no figure. */
  readonly chance: number | null
  /** How many assignments of outcomes to machines it was counted over, the observed one among them. */
  readonly draws: number
  readonly noFigure?: NoFigure
}

export const noChance = (noFigure: NoFigure): Chance => ({ chance: null, draws: 0, noFigure })

/**
 * @param sizes how many units each class has
 * @param holds whether an assignment is explained as well as the observed one; it counts its steps in `work`
 * @param steps how many it may take for all assignments; if it needs more, there is no figure
 */
export function chanceOf(
  sizes: readonly number[],
  holds: (assignment: Assignment) => boolean,
  work: Work,
  steps: number,
): Chance {
  if (!canShowCause(waysToPart(sizes))) return noChance('tooFewMachines')
  const { hits, tried, bounded } = tally(sizes, holds, work, steps)
  return bounded ? noChance('bounded') : { chance: hits / tried, draws: tried }
}

/**
 * Holm's correction: the chance that any of several hypotheses looks as good by luck (Holm, Scand. J. Statist. 1979).
 *
 * @returns for each, in the order given, the factor by which its chance is multiplied and the least that it can be
 */
export function holm(chances: readonly number[]): { factor: number; least: number }[] {
  const order = chances.map((_, i) => i).sort((a, b) => (chances[a] as number) - (chances[b] as number))
  const result = new Array<{ factor: number; least: number }>(chances.length)
  let least = 0
  order.forEach((i, rank) => {
    const factor = chances.length - rank
    least = Math.min(1, Math.max(least, factor * (chances[i] as number)))
    result[i] = { factor, least }
  })
  return result
}
