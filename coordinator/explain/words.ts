import type { Explanation } from '../report/format.ts'
import { grouped, listed, percent } from '../report/wording.ts'

/** What a set of facts does to the classes: no claim that one causes the other. */
export function explanationText({
  facts,
  equal,
}: {
  readonly facts: readonly string[]
  readonly equal: boolean
}): string {
  const set = listed(facts)
  const verb = facts.length === 1 ? 'groups' : 'together group'
  return equal
    ? `${set} ${verb} the cells exactly as their bits do`
    : `${set} ${verb} the cells more finely than their bits do: equal facts always gave equal bits, different facts did not always give different ones`
}

/** How likely chance is to explain as well. */
export function chanceText({ chance, draws, noFigure }: Pick<Explanation, 'chance' | 'draws' | 'noFigure'>): string {
  if (chance === null) return noFigureText(noFigure)
  const hits = Math.round(chance * draws)
  if (hits === 0) {
    return draws === 0
      ? 'not weighed against chance'
      : `none of ${grouped(draws)} random relabellings was explained as well (by chance in fewer than ${percent(3 / draws)}, with 95 % confidence)`
  }
  const weight = chance > 0.5 ? ': by itself no evidence' : chance > 0.05 ? ': by itself weak evidence' : ''
  return `${percent(chance)} of ${grouped(draws)} random relabellings would be explained as well${weight}`
}

/** Why nothing is said about chance. */
function noFigureText(noFigure: Explanation['noFigure']): string {
  switch (noFigure) {
    case 'cells':
      return 'no chance figure: cells of one machine are not independent'
    case 'tooFewMachines':
      return 'no chance figure: so few machines cannot show a cause'
    default:
      return 'no chance figure: the search would take too long'
  }
}

/** Facts that cannot be told from one, without its own setting as it was read back or asked for: that is the same thing. */
export function otherThings(fact: string, inseparable: readonly string[]): string[] {
  return inseparable.filter((other) => settingOf(other) === undefined || settingOf(other) !== settingOf(fact))
}

function settingOf(fact: string): string | undefined {
  return fact.startsWith('knob.') ? fact.replace(/^(knob\.[^.]+)\.effective\./, '$1.') : undefined
}
