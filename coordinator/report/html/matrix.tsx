import {
  type Column,
  type ColumnOrder,
  type Fold,
  type Mark,
  type Matrix,
  buildMatrix,
  foldRows,
  hasRounded,
  runsOf,
  usedSigns,
} from '../matrix.ts'
import { visibleLine } from '../../../shared/visible.ts'
import { conditionText, grouped, knobsText, paramsText, plural } from '../wording.ts'
import { classColour, paletteSize } from './palette.ts'
import type { View } from './view.ts'

/** Beyond these, a row is one strip of runs: never an element a cell. */
const maxColumns = 64
const maxCells = 4096
/** Rows drawn at all; report.csv has the rest. */
const maxRows = 1000

/** Workloads × conditions, coloured and lettered by class. */
export function MatrixSection({ view }: { view: View }) {
  const orders: ColumnOrder[] = view.severalAgents ? ['condition', 'machine'] : ['machine']
  const folds = foldRows(buildMatrix(view.report).rows)
  return (
    <section aria-labelledby="matrix-title">
      <div class="wide">
        <h2 id="matrix-title">Workloads × conditions</h2>
        <p class="lead">
          Cells with the same letter in a row computed the same bits. Letters start again in every row and follow the
          order of the plan; they say nothing about accuracy.
        </p>
        <Legend folds={folds} />
        {orders.length > 1 ? <OrderSwitch /> : null}
        {orders.map((order) => (
          <OrderedMatrix view={view} order={order} only={orders.length === 1} />
        ))}
      </div>
    </section>
  )
}

/** Radio buttons that the style sheet looks at: no script. */
function OrderSwitch() {
  return (
    <fieldset class="order">
      <legend>Columns</legend>
      {(['condition', 'machine'] as const).map((order) => (
        <label>
          <input type="radio" name="order" id={`order-${order}`} value={order} checked={order === 'condition'} />
          <span>{order === 'condition' ? 'by condition, machines side by side' : 'by machine'}</span>
        </label>
      ))}
    </fieldset>
  )
}

function OrderedMatrix({ view, order, only }: { view: View; order: ColumnOrder; only: boolean }) {
  const matrix = buildMatrix(view.report, order)
  const folds = foldRows(matrix.rows)
  const wide = matrix.columns.length > maxColumns || matrix.columns.length * folds.length > maxCells
  return (
    <div
      class={`scroll matrix ${wide ? 'strips' : ''} ${only ? '' : `by-${order}`}`}
      tabindex={0}
      role="group"
      aria-labelledby="matrix-title"
    >
      {wide ? (
        <StripTable view={view} matrix={matrix} folds={folds} />
      ) : (
        <LetterTable view={view} matrix={matrix} folds={folds} order={order} />
      )}
    </div>
  )
}

function Legend({ folds }: { folds: readonly Fold[] }) {
  const found = usedSigns(folds)
  return (
    <ul class="legend">
      <li>
        <b class="letter k0">A</b>
        <b class="letter k1">B</b>
        <b class="letter k2">C</b> … classes of equal bits
      </li>
      {hasRounded(folds) ? (
        <li>
          <b class="letter k0 rounded">A</b> underlined: the correctly rounded result
        </li>
      ) : null}
      {found.map(([sign, meaning]) => (
        <li>
          <b class={`letter ${signClass(sign)}`}>{sign}</b> {meaning}
        </li>
      ))}
      {folds.some(({ marks }) => Array.from(marks).some((mark) => mark === undefined)) ? (
        <li>
          <b class="letter absent">{'\u00a0'}</b> not in the plan
        </li>
      ) : null}
    </ul>
  )
}

interface TableProps {
  readonly view: View
  readonly matrix: Matrix
  readonly folds: readonly Fold[]
}

function LetterTable({ view, matrix: { columns }, folds, order }: TableProps & { order: ColumnOrder }) {
  const byCondition = order === 'condition'
  const runs = byCondition ? conditionRuns(columns) : backendRuns(columns)
  const edges = new Set(runs.map(([, start]) => start))
  const edge = (i: number) => (i > 0 && edges.has(i) ? ' edge' : '')
  const groupName = ({ condition }: Column) => (byCondition ? conditionText(condition) : condition.backend)
  // A group with too few columns to hold its name gives it to each of them.
  const narrow = ([first, , length]: (typeof runs)[number]) => groupName(first).length * 8 + 8 > length * 29
  const named = new Set(runs.filter(narrow).flatMap(([, start, length]) => Array.from({ length }, (_, i) => start + i)))
  const columnHead = (i: number) => {
    const column = columns[i] as Column
    return (
      <th scope="col" class={`knobs${edge(i)}`} {...(named.has(i) ? { rowspan: 2 } : {})}>
        <span>
          {named.has(i) ? <b>{visibleLine(groupName(column))} </b> : null}
          {byCondition ? visibleLine(machineName(view, column)) : knobsOf(column, named.has(i))}
        </span>
      </th>
    )
  }
  return (
    <table class="letters">
      <thead>
        {view.severalAgents && !byCondition ? (
          <tr>
            <Corner rows={3} />
            {runsOf(columns, (a, b) => a.agent === b.agent).map(([{ agent }, start, length]) => (
              <th scope="colgroup" colspan={length} class={`agent${edge(start)}`}>
                {visibleLine(view.names.get(agent) ?? agent)}
              </th>
            ))}
          </tr>
        ) : null}
        <tr>
          {view.severalAgents && !byCondition ? null : <Corner rows={2} />}
          {runs.map((run) =>
            narrow(run) ? (
              Array.from({ length: run[2] }, (_, i) => columnHead(run[1] + i))
            ) : (
              <th scope="colgroup" colspan={run[2]} class={`backend${edge(run[1])}`}>
                {visibleLine(groupName(run[0]))}
              </th>
            ),
          )}
        </tr>
        <tr>{columns.map((_, i) => (named.has(i) ? null : columnHead(i)))}</tr>
      </thead>
      <tbody>
        {folds.map((fold) => (
          <tr>
            <RowHead fold={fold} withSeed={view.withSeed} />
            {columns.map((_, i) => {
              const mark = fold.marks[i]
              return (
                <td class={`${markClass(mark)}${edge(i)}${mark?.rounded ? ' rounded' : ''}`}>{mark?.text ?? ''}</td>
              )
            })}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function knobsOf({ condition }: Column, named: boolean) {
  return (
    <>
      {visibleLine(knobsText(condition)) || (named ? '' : 'as it comes')}
      {condition.label === 'native' ? null : <i> {condition.label}</i>}
    </>
  )
}

function machineName(view: View, { agent, condition }: Column): string {
  const name = view.names.get(agent) ?? agent
  return condition.device === 'cpu' ? name : `${name}/${condition.device}`
}

function Corner({ rows }: { rows: number }) {
  return (
    <th scope="col" rowspan={rows} class="corner">
      Workload
    </th>
  )
}

function RowHead({ fold, withSeed }: { fold: Fold; withSeed: boolean }) {
  const [only] = fold.rows
  if (fold.rows.length === 1 && only) {
    const { workload, params, seed } = only.comparison
    return (
      <th scope="row">
        <a href={`#w${only.index}`}>{visibleLine(workload)}</a>
        <span class="params">
          {visibleLine(paramsText(params))}
          {withSeed ? ` seed=${visibleLine(seed)}` : ''}
        </span>
      </th>
    )
  }
  return (
    <th scope="row">
      <details>
        <summary>{fold.rows.length} identical workloads</summary>
        <ul class="plain">
          {fold.rows.slice(0, maxRows).map(({ comparison, index }) => (
            <li>
              <a href={`#w${index}`}>{visibleLine(comparison.workload)}</a>
              <span class="params">
                {visibleLine(paramsText(comparison.params))}
                {withSeed ? ` seed=${visibleLine(comparison.seed)}` : ''}
              </span>
            </li>
          ))}
        </ul>
      </details>
    </th>
  )
}

/** A row as a picture of runs with its counts in words beside it. */
function StripTable({ view, matrix: { columns }, folds }: TableProps) {
  const { names, report } = view
  return (
    <table class="strip">
      <caption>
        {grouped(columns.length)} conditions on {plural(report.agents.length, 'agent')}, too many to letter one by one:
        each row is a strip of its columns, ordered by agent and backend. report.csv has every cell.
      </caption>
      <thead>
        <tr>
          <th scope="col">Workload</th>
          <th scope="col" class="picture">
            {runsOf(columns, (a, b) => a.agent === b.agent)
              .slice(0, 6)
              .map(
                ([{ agent }, start, length]) =>
                  `${start + 1}–${start + length}: ${visibleLine(names.get(agent) ?? agent)}`,
              )
              .join(', ')}
            {report.agents.length > 6 ? ', …' : ''}
          </th>
          <th scope="col">Cells by class</th>
        </tr>
      </thead>
      <tbody>
        {folds.slice(0, maxRows).map((fold) => (
          <tr>
            <RowHead fold={fold} withSeed={view.withSeed} />
            <td class="picture">
              <Strip marks={fold.marks} width={columns.length} />
            </td>
            <td>{countsText(fold.marks)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** One path for each colour, made of horizontal runs. */
function Strip({ marks, width }: { marks: Fold['marks']; width: number }) {
  const paths = new Map<string, string>()
  const dense = Array.from({ length: width }, (_, i) => markClass(marks[i]))
  for (const [name, start, length] of runsOf(dense)) {
    if (name === 'absent') continue
    paths.set(name, `${paths.get(name) ?? ''}M${start} 0h${length}v1h-${length}z`)
  }
  return (
    <svg viewBox={`0 0 ${width} 1`} preserveAspectRatio="none" aria-hidden="true">
      {[...paths].map(([name, d]) => (
        <path class={name} d={d} />
      ))}
    </svg>
  )
}

function countsText(marks: Fold['marks']): string {
  const counts = new Map<string, number>()
  for (const mark of marks) if (mark) counts.set(mark.text, (counts.get(mark.text) ?? 0) + 1)
  const parts = [...counts].map(([text, count]) => `${text} ${grouped(count)}`)
  return parts.length > paletteSize + 3 ? `${parts.slice(0, paletteSize + 3).join(' · ')} · …` : parts.join(' · ')
}

function backendRuns(columns: readonly Column[]) {
  return runsOf(columns, (a, b) => a.agent === b.agent && a.condition.backend === b.condition.backend)
}

function conditionRuns(columns: readonly Column[]) {
  const key = ({ condition: { backend, knobs } }: Column) => JSON.stringify([backend, knobs])
  return runsOf(columns, (a, b) => key(a) === key(b))
}

function signClass(sign: string): string {
  if (sign.startsWith('~')) return 'nondeterministic'
  return sign === '–' ? 'inapplicable' : sign === '∅' ? 'lacking' : 'failed'
}

function markClass(mark: Mark | undefined): string {
  if (!mark) return 'absent'
  return mark.class === undefined ? signClass(mark.text) : classColour(mark.class)
}
