import { scaleLinear, scaleLog } from 'd3-scale'
import type { Growth as GrowthOfTensor } from '../format.ts'
import { visibleLine } from '../../../shared/visible.ts'
import { normFigure, pointFigure } from '../kind-text.ts'
import { stayingFrom, stayingText } from '../measured.ts'
import { grouped, percent, plural, rounded, superscript } from '../wording.ts'
import { fixed } from './histogram.tsx'

type Point = GrowthOfTensor['points'][number]

interface Measure {
  readonly title: string
  readonly value: (point: Point) => number | null
  readonly text: (value: number) => string
  /** Shares go from 0 to 1 on a linear axis; distances and norms over orders of magnitude. */
  readonly scale: 'log' | 'share'
}

const measures: readonly Measure[] = [
  {
    title: 'Largest ULP distance',
    value: ({ maxUlp }) => (maxUlp === null ? null : Number(maxUlp)),
    text: (value) => (value < 1e6 ? grouped(value) : rounded(value)),
    scale: 'log',
  },
  {
    title: 'Relative L2',
    value: ({ relativeL2 }) => (relativeL2 === 'infinite' ? null : relativeL2),
    text: rounded,
    scale: 'log',
  },
  { title: 'Unequal elements', value: ({ unequal }) => unequal, text: percent, scale: 'share' },
]

const panel = { width: 236, height: 96 }
const margin = { top: 6, right: 8, bottom: 18, left: 44 }
/** The line of points that are exactly zero, which a logarithm has no place for. */
const zeroRoom = 12
/** Rows drawn at once; others are folded. */
const shown = 4
const maxRows = 60
const maxTablePoints = 400

export interface GrowthProps {
  readonly growth: readonly GrowthOfTensor[]
  readonly id: string
  /** Step of the first difference. */
  readonly from: number
  /** What was not measured, and why. */
  readonly note: string | undefined
}

/** How a difference grows over steps: a row for each tensor, a column for each measure, the scales shared by column. */
export function Growth({ growth, id, from, note }: GrowthProps) {
  const rows = growth.filter(({ points }) => points.length > 1)
  if (rows.length === 0) return null
  const steps = rows.flatMap(({ points }) => points.map(({ step }) => step))
  const range = extent(steps) as [number, number]
  const used = measures
    .map((measure) => ({ measure, domain: domainOf(rows, measure) }))
    .filter((found): found is { measure: Measure; domain: [number, number] } => found.domain !== undefined)
  const grid = (part: readonly GrowthOfTensor[], captioned: boolean) => (
    <div
      class="scroll"
      tabindex={0}
      role="group"
      aria-label={`${captioned ? 'Growth over steps' : 'Growth over steps, more tensors'}, ${id}`}
    >
      <table class="growth">
        <thead>
          <tr>
            <th scope="col">Tensor</th>
            {used.map(({ measure }) => (
              <th scope="col">{measure.title}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {part.map((row) => (
            <tr>
              <th scope="row">
                <code>{visibleLine(row.name)}</code>
                <span class="quiet">{lastText(row)}</span>
              </th>
              {used.map(({ measure, domain }) => (
                <td>
                  <Panel row={row} measure={measure} steps={range} domain={domain} from={from} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
  const drawn = rows.slice(0, maxRows)
  return (
    <figure class="chart wide-chart" aria-labelledby={id}>
      <figcaption id={id}>
        Growth over steps {grouped(range[0])} to {grouped(range[1])}
        {note ? ` (${visibleLine(note)})` : ''}
      </figcaption>
      {grid(drawn.slice(0, shown), true)}
      {drawn.length > shown ? (
        <details>
          <summary>{plural(drawn.length - shown, 'more tensor')}</summary>
          {grid(drawn.slice(shown), false)}
        </details>
      ) : null}
      {rows.length > maxRows ? (
        <p class="quiet">And {plural(rows.length - maxRows, 'more tensor')}, in report.json.</p>
      ) : null}
      <GrowthTable rows={drawn} id={id} />
    </figure>
  )
}

interface PanelProps {
  readonly row: GrowthOfTensor
  readonly measure: Measure
  readonly steps: [number, number]
  readonly domain: [number, number]
  readonly from: number
}

function Panel({ row, measure, steps, domain, from }: PanelProps) {
  const points = row.points.flatMap((point) => {
    const value = measure.value(point)
    return value === null ? [] : [{ step: point.step, value }]
  })
  if (points.length === 0) return <span class="quiet">no such figure</span>
  const bottom = panel.height - margin.bottom
  const x = scaleLinear(steps[0] === steps[1] ? [steps[0] - 1, steps[1] + 1] : steps, [
    margin.left,
    panel.width - margin.right,
  ])
  const log = measure.scale === 'log'
  const scale = (log ? scaleLog() : scaleLinear()).domain(domain).range([log ? bottom - zeroRoom : bottom, margin.top])
  const y = (value: number) => (log && value === 0 ? bottom : scale(value))
  const ticks = log ? logTicks(domain) : [0, 0.5, 1]
  const thin = thinned(points)
  const path = thin.map(({ step, value }, i) => `${i === 0 ? 'M' : 'L'}${fixed(x(step))} ${fixed(y(value))}`).join('')
  const last = points.at(-1) as { step: number; value: number }
  const most = Math.max(...points.map(({ value }) => value))
  const text = `${measure.title} of ${visibleLine(row.name)}: ${measure.text(last.value)} at step ${last.step}, at most ${measure.text(most)}${row.of !== undefined && row.of > row.points.length ? ` in the ${row.points.length} steps measured of ${row.of}` : ''}`
  return (
    <svg
      viewBox={`0 0 ${panel.width} ${panel.height}`}
      width={panel.width}
      height={panel.height}
      role="img"
      aria-label={text}
    >
      {ticks.map((tick) => (
        <>
          <line class="grid" x1={margin.left} x2={panel.width - margin.right} y1={fixed(y(tick))} y2={fixed(y(tick))} />
          <text class="tick" x={margin.left - 5} y={fixed(y(tick) + 3.5)} text-anchor="end">
            {log ? `10${superscript(Math.round(Math.log10(tick)))}` : `${tick * 100} %`}
          </text>
        </>
      ))}
      {log ? (
        <text class="tick" x={margin.left - 5} y={bottom + 3.5} text-anchor="end">
          0
        </text>
      ) : null}
      <line class="axis" x1={margin.left} x2={panel.width - margin.right} y1={bottom} y2={bottom} />
      {from >= steps[0] && from <= steps[1] ? (
        <line class="first" x1={fixed(x(from))} x2={fixed(x(from))} y1={margin.top} y2={bottom} />
      ) : null}
      <path class="series" d={path} />
      {thin.length <= 24
        ? thin.map(({ step, value }) => <circle class="dot" cx={fixed(x(step))} cy={fixed(y(value))} r="2" />)
        : null}
      <text class="tick" x={margin.left} y={panel.height - 4}>
        {grouped(steps[0])}
      </text>
      <text class="tick" x={panel.width - margin.right} y={panel.height - 4} text-anchor="end">
        step {grouped(steps[1])}
      </text>
    </svg>
  )
}

function GrowthTable({ rows, id }: { rows: readonly GrowthOfTensor[]; id: string }) {
  const points = rows.flatMap(({ name, points: own }) => own.map((point) => ({ name, point })))
  return (
    <details>
      <summary>As a table</summary>
      <div class="scroll tall" tabindex={0} role="group" aria-label={`Growth as a table, ${id}`}>
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Tensor</th>
              <th scope="col" class="number">
                Step
              </th>
              {measures.map(({ title }) => (
                <th scope="col" class="number">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.slice(0, maxTablePoints).map(({ name, point }) => (
              <tr>
                <th scope="row">
                  <code>{visibleLine(name)}</code>
                </th>
                <td class="number">{grouped(point.step)}</td>
                <td class="number">
                  {point.maxUlp !== null ? grouped(point.maxUlp) : point.state === 'measured' ? '' : pointFigure(point)}
                </td>
                <td class="number">{point.relativeL2 === null ? '' : normFigure(point)}</td>
                <td class="number">{point.unequal === null ? 'not measured' : percent(point.unequal)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {points.length > maxTablePoints ? (
        <p class="quiet">And {plural(points.length - maxTablePoints, 'more point')}, in report.json.</p>
      ) : null}
    </details>
  )
}

function lastText({ of, points }: GrowthOfTensor): string {
  const last = points.at(-1) as Point
  const staying = points[stayingFrom(points)]
  if (staying !== undefined) return stayingText(staying, of !== undefined && of > points.length)
  const step = `at step ${grouped(last.step)}`
  if (last.unequal === null) return `not measured ${step}`
  if (last.state === 'nan' || last.state === 'infinite') return `${pointFigure(last)} ${step}`
  return last.unequal === 0 ? `equal ${step}` : `${percent(last.unequal)} unequal ${step}`
}

/** Powers of ten around all positive values, so that rows can be compared; undefined where nothing has the measure. */
function domainOf(rows: readonly GrowthOfTensor[], { value, scale }: Measure): [number, number] | undefined {
  const values = rows.flatMap(({ points }) => points.map(value)).filter((found) => found !== null)
  if (values.length === 0) return undefined
  if (scale === 'share') return [0, 1]
  const positive = extent(values.filter((found) => found > 0 && Number.isFinite(found)))
  if (!positive) return [1, 10]
  const low = Math.floor(Math.log10(positive[0]))
  return [10 ** low, 10 ** Math.max(low + 1, Math.ceil(Math.log10(positive[1])))]
}

/** At most four powers of ten. */
function logTicks([low, high]: [number, number]): number[] {
  const [from, to] = [Math.round(Math.log10(low)), Math.round(Math.log10(high))]
  const every = Math.ceil((to - from) / 3)
  const ticks: number[] = []
  for (let power = to; power >= from; power -= every) ticks.push(10 ** power)
  return ticks
}

/** Of more points than a panel has pixels, the least and the greatest of each pixel. */
function thinned<T extends { step: number; value: number }>(points: readonly T[]): readonly T[] {
  const buckets = panel.width
  if (points.length <= buckets * 2) return points
  const size = points.length / buckets
  return Array.from({ length: buckets }, (_, i) =>
    points.slice(Math.floor(i * size), Math.floor((i + 1) * size)),
  ).flatMap((part) => {
    const least = part.reduce((a, b) => (b.value < a.value ? b : a))
    const most = part.reduce((a, b) => (b.value > a.value ? b : a))
    return least.step < most.step ? [least, most] : [most, least]
  })
}

function extent(values: readonly number[]): [number, number] | undefined {
  if (values.length === 0) return undefined
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  )
}
