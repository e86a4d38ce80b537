import type { Comparison, Report, ReportCell } from '../report/format.ts'

/** Something the demo is there to show, and the sentence it is shown by, or undefined where this run did not. */
export interface ShownPromise {
  readonly title: string
  readonly shown: string | undefined
}

/**
 * What a first look promises: real differences of known kinds on this very machine. Judged from the report alone, so
 * that the demo cannot say more than its report does.
 *
 * @param glibc whether the plan had the part that needs the GNU C library on x86-64
 */
export function judgePromises(report: Report, glibc: boolean): ShownPromise[] {
  const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
  const parted = (workload: RegExp, differ: (a: ReportCell, b: ReportCell) => boolean) =>
    report.comparisons.find((comparison) => workload.test(comparison.workload) && partsWhere(comparison, cells, differ))
  const workloads = new Set(report.cells.map(({ workload }) => workload))
  const conditions = new Set(report.cells.map(({ condition: { backend, knobs } }) => JSON.stringify([backend, knobs])))
  const completed = report.cells.filter(({ status }) => status === 'completed').length
  const reference = report.comparisons.find(({ workload }) => workload === 'train.mlp-reference')
  const knobParts = (backend: string, knob: string) => (a: ReportCell, b: ReportCell) =>
    a.condition.backend === backend &&
    b.condition.backend === backend &&
    a.condition.knobs[knob] !== b.condition.knobs[knob]
  const order = parted(/^reduce\./, knobParts('js', 'order'))
  const instructions = parted(/./, knobParts('tfjs-wasm', 'variant'))
  const libm = parted(/^elementary\./, knobParts('libm', 'hwcaps'))
  const training = parted(/^train\.(mlp|cnn)$/, (a, b) => a.condition.backend !== b.condition.backend)
  const race = report.comparisons.find(({ nondeterministic }) => nondeterministic.length > 0)
  const racing = race?.nondeterministic[0]

  return [
    {
      title: 'at least eight workloads and ten conditions, every cell completed',
      shown:
        workloads.size >= 8 && conditions.size >= 10 && completed === report.cells.length
          ? `${report.comparisons.length} workloads, ${conditions.size} conditions, ${completed} of ${report.cells.length} cells completed`
          : undefined,
    },
    {
      title: 'a training that is the same everywhere',
      shown:
        reference?.verdict === 'identical'
          ? `train.mlp-reference: one class of ${reference.classes[0]?.cells.length} cells`
          : undefined,
    },
    { title: 'a sum that differs by accumulation order', shown: order && describe(order) },
    { title: 'a result that differs by instruction set', shown: instructions && describe(instructions) },
    ...(glibc
      ? [{ title: "a function that differs by the C library's code path", shown: libm && describe(libm) }]
      : []),
    { title: 'a training that differs between two libraries', shown: training && describe(training) },
    {
      title: 'a sum that differs from itself',
      shown: race && racing && `${race.workload}: ${racing.distinct} results in ${racing.executions} executions`,
    },
  ]
}

/** Whether two cells of different classes differ in a way. */
function partsWhere(
  { classes }: Comparison,
  cells: ReadonlyMap<string, ReportCell>,
  differ: (a: ReportCell, b: ReportCell) => boolean,
): boolean {
  const members = classes.map(({ cells: ids }) => ids.flatMap((id) => cells.get(id) ?? []))
  return members.some((mine, i) =>
    members.slice(i + 1).some((theirs) => mine.some((a) => theirs.some((b) => differ(a, b)))),
  )
}

function describe({ workload, classes, divergences }: Comparison): string {
  const first = divergences[0]
  const where = first ? `, first at ${first.checkpoint.name}` : ''
  return `${workload}: ${classes.length} classes${where}`
}
