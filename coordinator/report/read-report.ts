import { BitfleetError } from '../../shared/errors.ts'
import { rowVerdict } from '../compare/row-verdict.ts'
import { otherOutcomesBelow } from '../compare/self.ts'
import { ruleOf } from '../plan/row-rules.ts'
import { withFindings } from './assemble.ts'
import {
  type Comparison,
  type Report,
  type ReportCell,
  type ReportCore,
  reportSchema,
  reportSchemaName,
  type SelfDisagreement,
} from './format.ts'

/**
 * A report of this version, or of `@1`, whose claims are then made again by today's rules: `@1` counted what was not
 * compared, and gave chances over cells.
 *
 * @throws `format` if it is neither
 */
export function parseReport(value: unknown): Report {
  const old = isRecord(value) && value.schema === 'bitfleet/report@1'
  const core = old ? coreSchema.safeParse(fromFirstVersion(value)) : undefined
  if (core?.success) return withFindings(withVerdicts(core.data))
  const result = reportSchema.safeParse(value)
  if (!old && result.success) return result.data
  const issue = (core?.error ?? result.error)?.issues[0]
  const place = issue?.path.join('.')
  throw new BitfleetError('format', `not a ${reportSchemaName}: ${place ? `${place}: ` : ''}${issue?.message}`)
}

/** `@1` counted what is absent nowhere, and called rows identical of which nothing was compared. */
function withVerdicts(core: ReportCore): ReportCore {
  const comparisons = core.comparisons.map((comparison) => ({
    ...comparison,
    verdict: rowVerdict(comparison, ruleOf(core.run, comparison).absent === 'allow'),
  }))
  return { ...core, comparisons }
}

const coreSchema = reportSchema.omit({ sentence: true, verdict: true, findings: true })

type Loose = Record<string, unknown>

function isRecord(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function recordsOf(value: unknown): Loose[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

/** What `@1` did not say is left out, and stays unknown. Verdicts and findings are made afterwards. */
function fromFirstVersion(report: Loose): Loose {
  const ready = new Map(
    recordsOf(report.agents).map((agent) => [
      agent.id,
      new Set(recordsOf(agent.backends).flatMap(({ id, status }) => (status === 'ready' ? [id] : []))),
    ]),
  )
  const lackOf = ({ agent, workload, condition }: Loose): ReportCell['lack'] => {
    const backend = isRecord(condition) ? condition.backend : undefined
    return workload !== 'program' && ready.get(agent)?.has(backend) ? 'inapplicable' : 'absent'
  }
  const hasResult = ({ traces }: Loose) => Array.isArray(traces) && traces.some((trace) => trace !== null)
  const cells = recordsOf(report.cells).map(
    (cell): Loose => (cell.status === 'unsupported' && !hasResult(cell) ? { ...cell, lack: lackOf(cell) } : cell),
  )
  const completed = new Set(cells.flatMap((cell) => (hasResult(cell) ? [cell.id] : [])))
  const lacks = new Map(cells.map((cell) => [cell.id, cell.lack]))
  return {
    ...report,
    schema: reportSchemaName,
    cells,
    comparisons: recordsOf(report.comparisons).map((comparison) => upgradeComparison(comparison, completed, lacks)),
  }
}

function upgradeComparison(
  comparison: Loose,
  completed: ReadonlySet<unknown>,
  lacks: ReadonlyMap<unknown, unknown>,
): Loose {
  const unsupported = Array.isArray(comparison.unsupported) ? comparison.unsupported : []
  const inClasses = recordsOf(comparison.classes).flatMap(({ cells }) => (Array.isArray(cells) ? cells : []))
  const unstable = recordsOf(comparison.nondeterministic).map(({ cell }) => cell)
  const members = [...inClasses, ...unstable].filter((id) => completed.has(id))
  const compared = members.length > 1 ? members : []
  const said = comparison.selfConsistency
  const executions = isRecord(said) && typeof said.executions === 'number' ? said.executions : null
  const incomplete: unknown[] = Array.isArray(comparison.incomplete) ? comparison.incomplete : []
  const partly = unsupported.filter((id) => completed.has(id))
  const notTold = { first: null, missing: 'reports of version 0.1 do not tell' } satisfies Partial<SelfDisagreement>
  return {
    ...comparison,
    verdict: 'nothing compared' satisfies Comparison['verdict'],
    nondeterministic: recordsOf(comparison.nondeterministic).map((self) => ({ ...notTold, ...self })),
    selfConsistency: executions === null ? null : { executions, otherOutcomesBelow: otherOutcomesBelow(executions) },
    incomplete: [...new Set([...incomplete, ...partly])],
    absent: unsupported.filter((id) => lacks.get(id) === 'absent'),
    inapplicable: unsupported.filter((id) => lacks.get(id) !== 'absent' && !completed.has(id)),
    compared,
  }
}
