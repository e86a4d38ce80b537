import { backendName } from '../../shared/backend-description.ts'
import type {
  Comparison,
  KnobFinding,
  Notice,
  NoticeKind,
  ReportCell,
  ReportCore,
  RowFinding,
  VariableFinding,
} from '../report/format.ts'
import { executionsOf } from './executions.ts'
import { conditionText, failureText, grouped, listed, paramsText, plural } from '../report/wording.ts'

const maxExamples = 40

/** In the order in which they are shown, the gravest first. */
const headings: Record<NoticeKind, string> = {
  incomplete: 'No result',
  absent: 'Absent',
  partly: 'Partly failed',
  expectation: 'Not as expected',
  inputs: 'Inputs differ',
  environment: 'Set by the environment',
  replaced: 'Replaced',
  unknown: 'Not read back',
  'no-effect': 'No effect',
  fallback: 'Fallback',
  limit: 'Bound hit',
  warning: 'Warning',
  run: 'Plan',
  inapplicable: 'Inapplicable',
}

const order = Object.keys(headings) as NoticeKind[]

type Add = (kind: NoticeKind, subject: string, text: string, cells?: readonly ReportCell[]) => void

/** All that a reader must know, said once for all cells that it holds for. */
export function findNotices(
  core: ReportCore,
  rows: readonly RowFinding[],
  knobs: readonly KnobFinding[],
  variables: readonly VariableFinding[],
): Notice[] {
  const notices = new Map<string, { kind: NoticeKind; subject: string; text: string; cells: Set<ReportCell> }>()
  const add: Add = (kind, subject, text, cells = []) => {
    const key = JSON.stringify([kind, subject, text])
    const entry = notices.get(key) ?? { kind, subject, text, cells: new Set() }
    for (const cell of cells) entry.cells.add(cell)
    notices.set(key, entry)
  }
  for (const note of core.run.notes) add('run', core.run.name, note)
  if (core.run.state !== 'done' && core.run.state !== 'comparing') {
    add('incomplete', 'run', `the run is ${core.run.state}, not done`)
  }
  const cells = new Map(core.cells.map((cell) => [cell.id, cell]))
  addRows(core, rows, cells, add)
  addKnobs(cells, knobs, add)
  addVariables(core, variables, add)
  const compared = new Set(core.comparisons.flatMap((comparison) => comparison.compared))
  for (const cell of core.cells) addCell(cell, compared.has(cell.id), add)
  addLacks(core.cells, add)
  const place = new Map(core.cells.map((cell, i) => [cell, i]))
  return [...notices.values()]
    .map(({ kind, subject, text, cells: members }) => ({
      kind,
      heading: headings[kind],
      subject,
      text,
      cells: members.size,
      examples: [...members].slice(0, maxExamples).map(({ id }) => id),
      places: [...members].flatMap((cell) => place.get(cell) ?? []),
    }))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
}

type Cells = ReadonlyMap<string, ReportCell>

function addRows(core: ReportCore, rows: readonly RowFinding[], cells: Cells, add: Add): void {
  rows.forEach(({ title, expected }, i) => {
    const comparison = core.comparisons[i] as Comparison
    if (comparison.inputsEqual === false) {
      add('inputs', title, 'inputs differ between the classes: the row compares inputs, not arithmetic')
    }
    // A row without any result has no inputs either.
    if (comparison.inputsEqual === null && comparison.classes.length > 0) {
      add('inputs', title, 'whether the inputs are equal is not known')
    }
    if (expected?.met === false) add('expectation', title, unmetText(expected.expect, comparison, cells))
    for (const note of comparison.notes ?? []) add('warning', title, note)
  })
}

function unmetText(
  expect: 'nondeterministic' | 'repeatable',
  { classes, nondeterministic }: Comparison,
  cells: Cells,
): string {
  const head = `the plan expects it to ${expect === 'repeatable' ? 'repeat' : 'differ from run to run'}`
  const unstable = nondeterministic.length
  if (unstable > 0) {
    return `${head}; ${plural(unstable, 'cell')} disagreed with ${unstable === 1 ? 'itself' : 'themselves'}`
  }
  const counts = classes.flatMap((one) => one.cells.flatMap((id) => cells.get(id) ?? [])).map(executionsOf)
  if (counts.length === 0) return `${head}; no cell completed, so this is not known`
  if (expect === 'nondeterministic') return `${head}; it did not in ${rangeText(counts)} of a cell`
  const once = counts.filter((count) => count < 2).length
  const who = once < counts.length ? `${grouped(once)} of ${plural(counts.length, 'cell')}` : listedAll(counts.length)
  return `${head}; ${who} ran only once, so this is not known`
}

/** `3 executions`, `1 to 3 executions`. */
function rangeText(counts: readonly number[]): string {
  const least = counts.reduce((a, b) => Math.min(a, b), Infinity)
  const most = counts.reduce((a, b) => Math.max(a, b), 0)
  return least === most ? plural(least, 'execution') : `${grouped(least)} to ${plural(most, 'execution')}`
}

function listedAll(cells: number): string {
  return cells === 1 ? 'its only cell' : `all ${plural(cells, 'cell')}`
}

const knobKinds = { replaced: 'replaced', unknown: 'unknown', 'no effect': 'no-effect' } as const

function addKnobs(cells: Cells, knobs: readonly KnobFinding[], add: Add): void {
  for (const { knob, state, text, cells: ids } of knobs) {
    add(
      knobKinds[state],
      knob,
      text,
      ids.flatMap((id) => cells.get(id) ?? []),
    )
  }
}

function addVariables(core: ReportCore, variables: readonly VariableFinding[], add: Add): void {
  for (const { variable, value, text } of variables) {
    // As the finding counts them: what did not run was not computed under any variable.
    const cells = core.cells.filter(
      ({ ambient, traces }) => ambient?.[variable] === value && traces.some((trace) => trace !== null),
    )
    add('environment', variable, text, cells)
  }
}

/** Notes that findings already say in words of their own. */
const saidElsewhere = new Set(['no-effect', 'environment'])

function addCell(cell: ReportCell, compared: boolean, add: Add): void {
  for (const { kind, subject, message } of cell.notes) {
    if (!saidElsewhere.has(kind)) add(kind, subject, message, [cell])
  }
  const where = `${rowText(cell)} under ${conditionText(cell.condition)}`
  if (cell.lack !== undefined) return
  if (cell.failures.length > 0) {
    const failed = listed(cell.failures.map(({ repetition, message }) => `${repetition} (${message})`))
    const what = cell.failures.length === 1 ? 'repetition' : 'repetitions'
    const others = compared ? 'the others are compared' : 'the others have no other cell to be compared with'
    add('partly', where, `${what} ${failed} of ${cell.repetitions} did not complete; ${others}`, [cell])
  } else if (cell.status !== 'completed') add('incomplete', where, failureText(cell), [cell])
  const varying = Object.keys(cell.varying)
  const changed = varying.filter((fact) => seenValues(cell, fact).length > 1)
  const partly = varying.filter((fact) => !changed.includes(fact))
  if (changed.length > 0) {
    const text = `${plural(changed.length, 'fact')} changed between its executions: ${changed.join(', ')}`
    add('warning', where, text, [cell])
  }
  if (partly.length > 0) {
    const text = `${plural(partly.length, 'fact')} ${partly.length === 1 ? 'was' : 'were'} not recorded in all its executions: ${partly.join(', ')}`
    add('warning', where, text, [cell])
  }
}

/** Values of a fact in the executions that have it. */
function seenValues({ varying }: ReportCell, fact: string): string[] {
  return varying[fact]?.filter((value) => value !== '') ?? []
}

/** A row as its title has it, without the seed. */
function rowText({ workload, params }: ReportCell): string {
  return [workload, paramsText(params)].filter((part) => part !== '').join(' ')
}

/** What is inapplicable or absent, said once for all backends of which the same is said. */
function addLacks(cells: readonly ReportCell[], add: Add): void {
  const lacks = new Map<string, { kind: NoticeKind; what: string; backends: Set<string>; cells: ReportCell[] }>()
  for (const cell of cells) {
    // A cell that is unsupported in some executions only lacks nothing: it failed in those.
    if (cell.lack === undefined) continue
    const { backend } = cell.condition
    const reason = failureText(cell)
    const own = [backend, backendName(backend)].find((name) => reason.startsWith(`${name} `))
    const what = own === undefined ? reason : reason.slice(own.length + 1)
    const kind = cell.lack === 'absent' ? 'absent' : 'inapplicable'
    const key = JSON.stringify([kind, what])
    const known = lacks.get(key) ?? { kind, what, backends: new Set<string>(), cells: [] }
    known.backends.add(backend)
    known.cells.push(cell)
    lacks.set(key, known)
  }
  for (const { kind, what, backends, cells: lacking } of lacks.values())
    add(kind, [...backends].join(', '), what, lacking)
}
