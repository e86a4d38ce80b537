import { classColour } from './palette.ts'

/** A class's letter on its colour. */
export function Letter({ letter, index }: { letter: string; index: number | undefined }) {
  return <b class={`letter ${classColour(index)}`}>{letter}</b>
}

/** A sign stands in for each verdict's colour. */
const verdictSigns = { identical: '=', divergent: '≠', nondeterministic: '~', incomplete: '…' } as const

export function VerdictBadge({ verdict }: { verdict: keyof typeof verdictSigns }) {
  return (
    <span class={`verdict ${verdict}`}>
      <span aria-hidden="true">{verdictSigns[verdict]}</span> {verdict}
    </span>
  )
}
