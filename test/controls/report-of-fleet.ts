import { compareRun } from '../../coordinator/compare/compare-run.ts'
import { assembleReport } from '../../coordinator/report/assemble.ts'
import type { Report } from '../../coordinator/report/format.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../synthetic-run.ts'
import type { Machines } from './fleets.ts'

/** The report of a fleet whose machines computed one workload under one condition, twice: made as any report is. */
export async function reportOfFleet(machines: Machines): Promise<Report> {
  const agents = machines.map(({ id, facts }) => ({ ...syntheticAgent(id), facts }))
  const run = createSyntheticRun(agents)
  const outcomes = [...new Set(machines.map(({ outcome }) => outcome))]
  for (const { id, outcome } of machines) {
    const tensor = f32([outcomes.indexOf(outcome)], [])
    const execution = { checkpoints: [{ step: 0, name: 'y', tensor, output: true }] }
    run.add({ agent: id, workload: 'w', backend: 'js', executions: [execution, execution] })
  }
  // A headline does not depend on the chance of a list of rules, which takes longest.
  return assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet', { listSteps: 0 })
}
