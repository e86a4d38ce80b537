import type { Execution } from '../../shared/execution.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import { type CellOutcome, cellOutcomes, compareText, type Ending } from '../compare/cells.ts'
import type { RunData } from '../records.ts'
import { computeFindings, type FindingsOptions } from '../findings/index.ts'
import { type Comparison, type Report, type ReportCell, type ReportCore, reportSchemaName } from './format.ts'

/**
 * The report of a run: a pure function of it and of its comparisons. But for times and the agents' attributes, two runs
 * that computed the same bits make the same bytes, whatever the order in which results came.
 *
 * @param software such as `bitfleet 0.1.0`
 */
export function assembleReport(
  data: RunData,
  comparisons: readonly Comparison[],
  software: string,
  options?: FindingsOptions,
): Report {
  const { run } = data
  const outcomes = cellOutcomes(data)
  const core: ReportCore = {
    schema: reportSchemaName,
    run: {
      id: run.id,
      name: run.name,
      state: run.state,
      createdAt: run.createdAt,
      endedAt: run.endedAt,
      plan: run.planText,
      planDigest: run.planDigest,
      software,
      notes: [...run.planNotes],
      absent: run.absent,
      rowRules: run.rowRules?.map((rule) => ({ ...rule, params: { ...rule.params } })),
    },
    agents: run.agents.toSorted((a, b) => compareText(a.id, b.id)),
    workloads: describeWorkloads(outcomes),
    cells: outcomes.map(reportCell),
    comparisons: [...comparisons],
  }
  return withFindings(core, options)
}

/** A report with its claims, and its sentence and verdict on top. Members without a value are left out. */
export function withFindings({ schema, ...core }: ReportCore, options?: FindingsOptions): Report {
  const findings = computeFindings({ schema, ...core }, options)
  const { sentence, verdict } = findings
  return withoutUndefined({ schema, sentence, verdict, findings, ...core })
}

/** JSON has no undefined, and canonical JSON refuses it. */
function withoutUndefined<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => withoutUndefined(item)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]: [string, unknown]) =>
      member === undefined ? [] : [[key, withoutUndefined(member)]],
    ),
  ) as T
}

function describeWorkloads(outcomes: readonly CellOutcome[]): Report['workloads'] {
  const known = new Map<string, Report['workloads'][number]>()
  for (const { workload: id, workloadVersion: version } of outcomes.map(({ cell }) => cell)) {
    const { title, summary } = findDescription(id) ?? { title: id, summary: '' }
    known.set(`${id}@${version}`, { id, version, title, summary })
  }
  return [...known.values()]
}

function reportCell(outcome: CellOutcome): ReportCell {
  const { cell, repetitions, completed, ending, version, label, effective, facts, varying, notes, lack } = outcome
  const said = completed[0]?.execution ?? repetitions.find(({ execution }) => execution)?.execution
  return {
    id: cell.id,
    agent: cell.agent,
    workload: cell.workload,
    workloadVersion: cell.workloadVersion,
    params: { ...cell.params },
    seed: cell.seed,
    condition: {
      backend: cell.condition.backend,
      version,
      device: cell.condition.device,
      label,
      knobs: { ...cell.condition.knobs },
      effective: { ...effective },
      settings: said?.settings,
    },
    repetitions: cell.repetitions,
    ...describeEnding(ending),
    lack,
    traces: repetitions.map(({ ending: { status }, execution }) =>
      status === 'completed' ? (execution?.trace ?? null) : null,
    ),
    outputs: [...(completed[0]?.execution.outputs ?? [])],
    facts: { ...facts },
    varying: { ...varying },
    ambient: said?.ambient,
    notes: [...notes],
    failures:
      completed.length === 0
        ? []
        : repetitions.flatMap(({ repetition, ending: { status, ...rest } }) =>
            status === 'completed'
              ? []
              : [{ repetition, status, message: messageOfEnding({ status, ...rest } as Ending) }],
          ),
    resources: medians(repetitions.flatMap(({ execution }) => (execution ? [execution.resources] : []))),
  }
}

type EndingFields = Pick<ReportCell, 'status' | 'reason' | 'signal' | 'stderr' | 'limitMs' | 'code' | 'message'>

/** The members of the ending, on the cell itself; a union's own members pass as they are. */
function describeEnding(ending: Ending): EndingFields {
  return ending
}

function messageOfEnding(ending: Ending): string {
  switch (ending.status) {
    case 'unsupported':
      return ending.reason
    case 'crashed':
      return `died of ${ending.signal}`
    case 'timed-out':
      return `still running after ${ending.limitMs} ms`
    case 'failed':
      return ending.message
    case 'missing':
      return 'no result came'
    default:
      return ending.status
  }
}

function medians(all: readonly Execution['resources'][]): ReportCell['resources'] {
  const known = (values: readonly (number | undefined)[]) => median(values.filter((value) => value !== undefined))
  return {
    wallMs: known(all.map(({ wallMs }) => wallMs)) ?? 0,
    cpuMs: known(all.map(({ cpuMs }) => cpuMs)),
    maxRssBytes: known(all.map(({ maxRssBytes }) => maxRssBytes)),
  }
}

/** Of an even number the mean of the middle two; of none, null. */
function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? null : (low + high) / 2
}
