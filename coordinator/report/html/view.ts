import type { Report, ReportCell } from '../format.ts'
import { agentNames, seedsOf } from '../wording.ts'

/** A report with what every part of a page looks up in it. */
export interface View {
  readonly report: Report
  readonly cells: ReadonlyMap<string, ReportCell>
  readonly names: ReadonlyMap<string, string>
  /** Whether there are several seeds, so that each must be named. */
  readonly withSeed: boolean
  readonly severalAgents: boolean
}

export function createView(report: Report): View {
  return {
    report,
    cells: new Map(report.cells.map((cell) => [cell.id, cell])),
    names: agentNames(report),
    withSeed: seedsOf(report).length > 1,
    severalAgents: report.agents.length > 1,
  }
}
