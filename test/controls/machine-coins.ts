import { letterOf } from '../../coordinator/compare/classes.ts'
import { findMachines } from '../../coordinator/findings/machines.ts'
import { findSettings } from '../../coordinator/findings/settings.ts'
import { assembleReport } from '../../coordinator/report/assemble.ts'
import type { Comparison, MachinesFinding, ReportCell, ReportCore } from '../../coordinator/report/format.ts'
import { groupBy } from '../../shared/group-by.ts'
import { createStream } from '../../shared/random/stream.ts'
import { executionsNeeded } from '../../shared/executions-needed.ts'
import { createSyntheticRun, syntheticAgent } from '../synthetic-run.ts'
import { type Coin, coins } from './coins.ts'

// Machines that are coins: every execution is drawn, on every machine alike. A claim that machines differ is false.

export interface MachineFleet {
  readonly agents: number
  /** Cards of each agent; 0 stands for its processor. */
  readonly cards: number
}

export interface MachineCoinDesign extends MachineFleet {
  readonly coin: Coin
  /** Each is one pair of setting and workload: T. */
  readonly workloads: number
  /** k; left out, what the rule asks of T. */
  readonly executions?: number
}

/** A cell, and what each of its executions drew. */
export interface DrawnCell {
  readonly workload: string
  readonly agent: string
  readonly device: string
  readonly traces: readonly string[]
}

/** All cells of one run of a design. */
export function drawCells(design: MachineCoinDesign, seed: number): DrawnCell[] {
  const { agents, cards, coin, workloads, executions = executionsNeeded(workloads) } = design
  const stream = createStream(String(seed), 'machine coins')
  const devices = cards === 0 ? ['cpu'] : Array.from({ length: cards }, (_, i) => `gpu${i}`)
  return Array.from({ length: workloads * agents * devices.length }, (_, i) => ({
    workload: `w${Math.floor(i / devices.length / agents)}`,
    agent: `a${Math.floor(i / devices.length) % agents}`,
    device: devices[i % devices.length] as string,
    traces: Array.from({ length: executions }, () => coins[coin](stream)),
  }))
}

/** What the report of one run of a design says of its machines. */
export function tossMachines(design: MachineCoinDesign, seed: number): MachinesFinding {
  const core = coreOf(drawCells(design, seed))
  const { silence, rule } = findSettings(core)
  return findMachines(core, silence, rule)
}

/** Of so many runs, those that claim that machines differ. */
export function falseMachineClaims(design: MachineCoinDesign, runs: number): number {
  let claimed = 0
  for (let seed = 0; seed < runs; seed++) {
    const { status, rows } = tossMachines(design, seed)
    // A single row is a claim, too, if the line as a whole is only seen.
    const some = rows.some(
      ({ letters, strength }) => strength === 'claimed' && new Set(letters.filter(isLetter)).size > 1,
    )
    claimed += status === 'differ' && some ? 1 : 0
  }
  return claimed
}

function isLetter(letter: string | null): letter is string {
  return letter !== null
}

function reportCell({ workload, agent, device, traces }: DrawnCell): ReportCell {
  return {
    id: `${workload} ${agent} ${device}`,
    ...{ agent, workload, workloadVersion: 1, params: {}, seed: '1' },
    condition: { backend: 'coin', version: '1', device, label: 'native', knobs: {}, effective: {} },
    ...{ repetitions: traces.length, status: 'completed' as const, traces: [...traces] },
    ...{ outputs: [], facts: {}, varying: {}, notes: [], failures: [] },
    resources: { wallMs: 1, cpuMs: null, maxRssBytes: null },
  }
}

/** What a report is made of, but for the values: the machines line goes by traces. */
function coreOf(drawn: readonly DrawnCell[]): ReportCore {
  const agents = [...new Set(drawn.map(({ agent }) => agent))].map((id) => syntheticAgent(id))
  const cells = drawn.map(reportCell)
  const comparisons = [...groupBy(cells, ({ workload }) => workload).values()].map(comparisonOf)
  return { ...assembleReport(createSyntheticRun(agents).data(), [], 'bitfleet'), cells, comparisons }
}

function comparisonOf(cells: readonly ReportCell[]): Comparison {
  const [{ workload, workloadVersion, params, seed }] = cells as [ReportCell]
  const agrees = ({ traces }: ReportCell) => traces.every((trace) => trace === traces[0])
  const classes = [...groupBy(cells.filter(agrees), ({ traces }) => traces[0] as string)].map(([trace, own], i) => ({
    letter: letterOf(i),
    trace,
    cells: own.map(({ id }) => id),
  }))
  return {
    ...{ workload, workloadVersion, params, seed, classes },
    verdict: 'divergent',
    nondeterministic: cells
      .filter((cell) => !agrees(cell))
      .map(({ id, traces }) => ({
        ...{ cell: id, executions: traces.length, distinct: new Set(traces).size },
        ...{ first: null, divergence: null },
      })),
    ...{ incomplete: [], absent: [], inapplicable: [], compared: cells.map(({ id }) => id) },
    ...{ selfConsistency: null, inputsEqual: true, divergences: [], explanations: [] },
  }
}
