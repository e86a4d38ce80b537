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
import { conditionText, failureText, listed, plural } from '../report/wording.ts'

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
  const notices = new Map<string, { kind: NoticeKind; subject: string; text: string; cells: ReportCell[] }>()
  const add: Add = (kind, subject, text, cells = []) => {
    const key = JSON.stringify([kind, subject, text])
    const entry = notices.get(key) ?? { kind, subject, text, cells: [] }
    entry.cells.push(...cells)
    notices.set(key, entry)
  }
  for (const note of core.run.notes) add('run', 'plan', note)
  if (core.run.state !== 'done' && core.run.state !== 'comparing') {
    add('incomplete', 'run', `the run is ${core.run.state}, not done`)
  }
  addRows(core, rows, add)
  addKnobs(core, knobs, add)
  addVariables(core, variables, add)
  for (const cell of core.cells) addCell(cell, add)
  addLacks(core.cells, add)
  return [...notices.values()]
    .map(({ kind, subject, text, cells }) => ({
      kind,
      heading: headings[kind],
      subject,
      text,
      cells: cells.length,
      examples: cells.slice(0, maxExamples).map(({ id }) => id),
    }))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
}

function addRows(core: ReportCore, rows: readonly RowFinding[], add: Add): void {
  rows.forEach(({ title, expected }, i) => {
    const comparison = core.comparisons[i] as Comparison
    if (comparison.inputsEqual === false) {
      add('inputs', title, 'inputs differ between the classes: the row compares inputs, not arithmetic')
    }
    if (comparison.inputsEqual === null) add('inputs', title, 'whether the inputs are equal is not known')
    if (expected?.met === false) add('expectation', title, unmetText(expected.expect, comparison))
    for (const note of comparison.notes ?? []) add('warning', title, note)
  })
}

function unmetText(
  expect: 'nondeterministic' | 'repeatable',
  { selfConsistency, nondeterministic }: Comparison,
): string {
  if (expect === 'repeatable') {
    return nondeterministic.length > 0
      ? `the plan expects it to repeat; ${plural(nondeterministic.length, 'cell')} disagreed with themselves`
      : 'the plan expects it to repeat; no cell ran twice, so this is not known'
  }
  return `the plan expects it to differ from run to run; it did not in ${plural(selfConsistency?.executions ?? 0, 'execution')} of a cell`
}

const knobKinds = { replaced: 'replaced', unknown: 'unknown', 'no effect': 'no-effect' } as const

function addKnobs(core: ReportCore, knobs: readonly KnobFinding[], add: Add): void {
  const cells = new Map(core.cells.map((cell) => [cell.id, cell]))
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

function addCell(cell: ReportCell, add: Add): void {
  for (const { kind, subject, message } of cell.notes) {
    if (!saidElsewhere.has(kind)) add(kind, subject, message, [cell])
  }
  const where = `${cell.workload} under ${conditionText(cell.condition)}`
  if (cell.status === 'unsupported') return
  if (cell.failures.length > 0) {
    const failed = listed(cell.failures.map(({ repetition, message }) => `${repetition} (${message})`))
    const what = cell.failures.length === 1 ? 'repetition' : 'repetitions'
    add('partly', where, `${what} ${failed} of ${cell.repetitions} did not complete; the others are compared`, [cell])
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

/** What is inapplicable or absent, said once for all backends of which the same is said. */
function addLacks(cells: readonly ReportCell[], add: Add): void {
  const lacks = new Map<string, { kind: NoticeKind; what: string; backends: Set<string>; cells: ReportCell[] }>()
  for (const cell of cells) {
    if (cell.status !== 'unsupported') continue
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
