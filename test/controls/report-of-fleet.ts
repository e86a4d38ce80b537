import { compareRun } from '../../coordinator/compare/compare-run.ts'
import { assembleReport } from '../../coordinator/report/assemble.ts'
import type { Report } from '../../coordinator/report/format.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../synthetic-run.ts'
import type { Machines } from './fleets.ts'

/** The report of a fleet whose machines computed one workload under one condition, twice: made as any report is. */
export function reportOfFleet(machines: Machines): Promise<Report> {
  return reportOfWorkloads([machines])
}

/** The same of several workloads: the machines are the same in each, with other outcomes. */
export async function reportOfWorkloads(workloads: readonly Machines[]): Promise<Report> {
  const agents = (workloads[0] ?? []).map(({ id, facts }) => ({ ...syntheticAgent(id), facts }))
  const run = createSyntheticRun(agents)
  workloads.forEach((machines, w) => {
    const outcomes = [...new Set(machines.map(({ outcome }) => outcome))]
    for (const { id, outcome } of machines) {
      const tensor = f32([outcomes.indexOf(outcome)], [])
      const execution = { checkpoints: [{ step: 0, name: 'y', tensor, output: true }] }
      run.add({ agent: id, workload: `w${w}`, backend: 'js', executions: [execution, execution] })
    }
  })
  // A headline does not depend on the chance of a list of rules, which takes longest.
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet', { listSteps: 0 })
}
