import type { Verdict } from '../format.ts'
import { classColour } from './palette.ts'

/** A class's letter on its colour. */
export function Letter({ letter, index }: { letter: string; index: number | undefined }) {
  return <b class={`letter ${classColour(index)}`}>{letter}</b>
}

/** A sign stands in for each verdict's colour. */
const verdictSigns: Record<Verdict, string> = {
  identical: '=',
  divergent: '≠',
  nondeterministic: '~',
  incomplete: '…',
  'nothing compared': '∅',
}

export function VerdictBadge({ verdict }: { verdict: Verdict }) {
  return (
    <span class={`verdict ${verdict.replace(' ', '-')}`}>
      <span aria-hidden="true">{verdictSigns[verdict]}</span> {verdict}
    </span>
  )
}
