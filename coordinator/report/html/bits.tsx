import { type DType, dtypeBytes } from '../../../shared/tensor.ts'
import { runsOf } from '../matrix.ts'
import { visibleLine } from '../../../shared/visible.ts'

/** Widths of sign, exponent and significand fields, in bits. */
const fields: Partial<Record<DType, readonly [number, number, number]>> = {
  f16: [1, 5, 10],
  bf16: [1, 8, 7],
  f32: [1, 8, 23],
  f64: [1, 11, 52],
}
const fieldNames = ['Sign', 'Exponent', 'Significand'] as const

export interface BitsProps {
  readonly dtype: DType
  /** Big-endian hex. */
  readonly bits: readonly [string, string]
  readonly values: readonly [string, string]
  /** How far apart they are, or of what kind the difference is; empty if that is not known. */
  readonly difference: string
  readonly names: readonly [string, string]
  readonly label: string
}

/** Two bit patterns above each other, their fields apart, the bits that differ marked in both. */
export function Bits({ dtype, bits, values, difference, names, label }: BitsProps) {
  const [a, b] = bits.map((hex) => digitsOf(hex, dtype)) as [string, string]
  const widths = fields[dtype] ?? [a.length]
  const heads = fields[dtype] ? fieldNames : ['Bits']
  const starts = widths.map((_, i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0))
  const row = (own: string, other: string, i: 0 | 1) => (
    <tr>
      <th scope="row">{names[i]}</th>
      <td class="hex">{bits[i]}</td>
      {widths.map((width, field) => {
        const start = starts[field] as number
        return (
          <td class="field">
            <Field own={own.slice(start, start + width)} other={other.slice(start, start + width)} />
          </td>
        )
      })}
      <td class="value">{visibleLine(values[i])}</td>
    </tr>
  )
  return (
    <div class="scroll" tabindex={0} role="group" aria-label={label}>
      <table class="bits">
        <caption>
          {label}
          {difference === '' ? '' : `: ${difference}`}. Differing bits are underlined.
        </caption>
        <thead>
          <tr>
            <td />
            <th scope="col">Hex</th>
            {heads.map((head) => (
              <th scope="col">{head}</th>
            ))}
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {row(a, b, 0)}
          {row(b, a, 1)}
        </tbody>
      </table>
    </div>
  )
}

/** Digits in fours from the right, as hex digits would cut them. */
function Field({ own, other }: { own: string; other: string }) {
  const marks = Array.from(own, (digit, i) => ({
    digit,
    differs: digit !== other[i],
    gap: (own.length - i) % 4 === 0 && i > 0,
  }))
  return (
    <>
      {runsOf(marks, (x, y) => x.differs === y.differs && !y.gap).map(([{ differs, gap }, start, length]) => {
        const text = own.slice(start, start + length)
        return (
          <>
            {gap ? <span class="gap"> </span> : null}
            {differs ? <mark>{text}</mark> : text}
          </>
        )
      })}
    </>
  )
}

function digitsOf(hex: string, dtype: DType): string {
  return BigInt(`0x${hex || '0'}`)
    .toString(2)
    .padStart(dtypeBytes[dtype] * 8, '0')
}
