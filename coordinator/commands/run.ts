import { dirname, resolve } from 'node:path'
import { connectCoordinator } from '../client/client.ts'
import { watchToEnd } from '../client/progress.ts'
import { collectInputs, parsePlan, planName, readPlanText } from '../plan/index.ts'
import { exitCodeOf } from '../report/exit-code.ts'
import { renderJson } from '../report/files.ts'
import { renderText } from '../report/text.ts'
import { visibleLine } from '../../shared/visible.ts'
import { connectionOptions, type RunOptions } from './find-report.ts'
import { usesColor } from './terminal.ts'

export interface RunPlanOptions extends RunOptions {
  readonly watch?: boolean
  readonly json?: boolean
}

/**
 * `bitfleet run PLAN`: a run on the fleet. Without `watch` it prints the run's id and ends with 0; with it, it ends as
 * the comparison says.
 */
export async function runPlan(planPath: string, { watch, json, ...options }: RunPlanOptions): Promise<number> {
  const path = resolve(planPath)
  const text = await readPlanText(planPath)
  // What is wrong with the plan is said before the coordinator is asked.
  const { inputs, payloads } = await collectInputs(parsePlan(text, planName(planPath)), dirname(path))
  const client = await connectCoordinator(connectionOptions(options))
  const run = await client.submitRun({ plan: text, fileName: planName(planPath), inputs, payloads })
  const status = await client.getRun(run)
  for (const note of status.notes) process.stderr.write(`note: ${visibleLine(note)}\n`)
  if (!watch) {
    process.stdout.write(json ? `${JSON.stringify(status)}\n` : `${run}\n`)
    process.stderr.write(`Web: ${client.url}/runs/${run}\n`)
    return 0
  }
  process.stderr.write(`run ${run}: ${client.url}/runs/${run}\n`)
  await watchToEnd(client, run)
  const report = await client.getReport(run)
  process.stdout.write(json ? renderJson(report) : renderText(report, { color: usesColor(process.stdout) }))
  return exitCodeOf(report)
}
