import { scaleBand, scaleLog } from 'd3-scale'
import { bucketName } from '../../../shared/ulp.ts'
import type { ElementComparison } from '../format.ts'
import { visibleLine } from '../../../shared/visible.ts'
import { grouped, percent, superscript } from '../wording.ts'

const height = 140
const margin = { top: 8, right: 12, bottom: 34, left: 52 }
const barStep = 22
const specials = ['nan', 'sign-of-zero'] as const
const specialNames: Record<string, string> = { nan: 'NaN', 'sign-of-zero': '±0' }

export interface HistogramProps {
  readonly statistics: ElementComparison
  readonly id: string
  readonly title: string
}

/** How many elements lie how many ULPs apart; both axes logarithmic, so that one element among a million shows. */
export function Histogram({ statistics: { histogram, elements }, id, title }: HistogramProps) {
  // A scalar's distance is said already.
  if (histogram.length === 0 || elements < 2) return null
  const counts = new Map(histogram.map(({ bucket, count }) => [bucket, count]))
  const buckets = [...ranksOf(counts), ...specials.filter((bucket) => counts.has(bucket))]
  const width = margin.left + margin.right + Math.max(8, buckets.length) * barStep
  const x = scaleBand(buckets, [margin.left, margin.left + buckets.length * barStep])
    .paddingInner(0.18)
    .paddingOuter(0.1)
  const most = Math.max(...counts.values())
  // One element has height too: the axis begins below one.
  const y = scaleLog([0.6, Math.max(10, most)], [height - margin.bottom, margin.top])
  const ticks = powersOfTen(most)
  const every = Math.ceil(buckets.length / 18)
  return (
    <figure class="chart" aria-labelledby={id}>
      <figcaption id={id}>{visibleLine(title)}: elements by distance; grey are equal</figcaption>
      <div class="plot">
        <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-labelledby={id}>
          {ticks.map((tick) => (
            <>
              <line class="grid" x1={margin.left} x2={width - margin.right} y1={fixed(y(tick))} y2={fixed(y(tick))} />
              <text class="tick" x={margin.left - 6} y={fixed(y(tick) + 3.5)} text-anchor="end">
                {tick < 1e5 ? grouped(tick) : `10${superscript(Math.log10(tick))}`}
              </text>
            </>
          ))}
          {buckets.map((bucket) => {
            const count = counts.get(bucket) ?? 0
            if (count === 0) return null
            return (
              <rect
                class={bucket === '0' ? 'count same' : 'count'}
                x={fixed(x(bucket) ?? 0)}
                width={fixed(x.bandwidth())}
                y={fixed(y(count))}
                height={fixed(height - margin.bottom - y(count))}
              />
            )
          })}
          <line
            class="axis"
            x1={margin.left}
            x2={width - margin.right}
            y1={height - margin.bottom}
            y2={height - margin.bottom}
          />
          {buckets.map((bucket, i) =>
            i % every === 0 || i === buckets.length - 1 || bucket in specialNames ? (
              <text
                class="tick"
                text-anchor="end"
                transform={`translate(${fixed((x(bucket) ?? 0) + x.bandwidth() / 2 + 3)},${height - margin.bottom + 8}) rotate(-40)`}
              >
                {shortBucket(bucket)}
              </text>
            ) : null,
          )}
        </svg>
      </div>
      <details>
        <summary>As a table</summary>
        <table class="list">
          <thead>
            <tr>
              <th scope="col">ULPs apart</th>
              <th scope="col" class="number">
                Elements
              </th>
              <th scope="col" class="number">
                Share
              </th>
            </tr>
          </thead>
          <tbody>
            {histogram.map(({ bucket, count }) => (
              <tr>
                <th scope="row">
                  {bucket === 'nan'
                    ? 'unequal with a NaN'
                    : bucket === 'sign-of-zero'
                      ? '0 (+0 against −0)'
                      : bucket.replace('-', '–')}
                </th>
                <td class="number">{grouped(count)}</td>
                <td class="number">{percent(elements === 0 ? 0 : count / elements)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  )
}

/** Every bucket from 0 to the last that is used: gaps are part of the picture. */
function ranksOf(counts: ReadonlyMap<string, number>): string[] {
  const names: string[] = []
  const wanted = [...counts.keys()].filter((bucket) => /^\d/.test(bucket))
  for (let rank = 0; rank < 66 && wanted.some((bucket) => !names.includes(bucket)); rank++) names.push(bucketName(rank))
  return names
}

/** The end of a bucket alone where both would not fit. */
function shortBucket(bucket: string): string {
  const special = specialNames[bucket]
  if (special) return special
  const end = bucket.split('-')[1]
  if (end === undefined || bucket.length <= 5) return bucket.replace('-', '–')
  return `≤ 2${superscript(BigInt(end).toString(2).length - 1)}`
}

export function powersOfTen(most: number): number[] {
  const top = Math.floor(Math.log10(Math.max(10, most)))
  const every = Math.ceil((top + 1) / 5)
  return Array.from({ length: top + 1 }, (_, power) => 10 ** power).filter((_, power) => power % every === 0)
}

/** A tenth of a pixel is fine enough, and the same text everywhere. */
export function fixed(value: number): string {
  return String(Math.round(value * 10) / 10)
}
