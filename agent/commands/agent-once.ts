import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { openBundle } from '../../shared/bundle.ts'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import { readAgentConfig, withState } from '../config.ts'
import { claimStateDir, prepareAgent } from '../daemon/daemon.ts'
import { type BundleStart, openBundleFolder } from '../once/bundle-folder.ts'
import { runOnce } from '../once/run-once.ts'
import { type AgentStartOptions, agentPlace } from './agent.ts'
import { applyClean } from './clean.ts'

/**
 * Reads a plan, and then says what it means for one agent. Reading plans is the coordinator's side, so whoever wires
 * the two sides hands it over.
 */
export type ReadPlan = (path: string) => Promise<(agent: AgentRecord) => Omit<BundleStart, 'agent'>>

export interface AgentOnceOptions extends Pick<AgentStartOptions, 'name' | 'labels' | 'slots' | 'stateDir' | 'clean'> {
  readonly plan: string
  readonly out: string
  readonly readPlan: ReadPlan
}

/**
 * `bitfleet agent once`: runs a plan on this machine without a coordinator and leaves a bundle to carry. Started again
 * after whatever ended it, it goes on where it was; started again after its end, it does nothing.
 *
 * @returns 0 when the bundle is there, 3 when it was told to stop before
 */
export async function agentOnce(options: AgentOnceOptions): Promise<number> {
  const log = (line: string) => void process.stderr.write(`${new Date().toISOString()} ${visibleLine(line)}\n`)
  const config = applyClean(withState(readAgentConfig(), options.stateDir), options, log)
  const { name, labels, stateDir, slots } = agentPlace(options, config)
  const planFor = await options.readPlan(options.plan)
  const out = resolve(options.out)
  const folder = `${out}.partial`

  const unlock = await claimStateDir(resolve(stateDir))
  const stopping = new AbortController()
  let asked = 0
  const stop = () => {
    if (++asked > 1) process.exit(130)
    log('stopping; what has ended is kept, and the same command goes on from there')
    stopping.abort()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    const { identity, agent, context } = await prepareAgent({
      name,
      labels,
      stateDir: resolve(stateDir),
      slots,
      config,
    })
    const planned = planFor(agent)
    if (existsSync(out)) {
      await checkDone(out, agent, planned.planText)
      log(`${options.out} is there already: nothing to do`)
      process.stdout.write(`${visibleLine(options.out)}\n`)
      return 0
    }
    for (const note of planned.planNotes) log(`note: ${note}`)
    mkdirSync(dirname(out), { recursive: true })
    const bundle = await openBundleFolder(folder, { ...planned, agent })
    const ended = await runOnce(
      bundle,
      planned,
      slots,
      { ...context, cache: bundle.artifacts, scratchRoot: join(bundle.scratch, 'runners') },
      stopping.signal,
      ({ done, total, cell, execution }) =>
        log(`${done}/${total} ${cell.workload} ${cell.condition.backend} ${cell.id}: ${execution.outcome.status}`),
    )
    if (!ended) {
      log(`stopped; ${folder} holds what has ended`)
      return 3
    }
    await bundle.close(out, identity)
    process.stdout.write(`${visibleLine(options.out)}\n`)
    return 0
  } finally {
    process.off('SIGTERM', stop)
    process.off('SIGINT', stop)
    await unlock()
  }
}

/** @throws `conflict` where the file is not what this command would make */
async function checkDone(out: string, agent: AgentRecord, planText: string): Promise<void> {
  const bundle = await openBundle(out)
  if (bundle.agent.id === agent.id && bundle.run.planDigest === digestOf(planText)) return
  throw new BitfleetError('conflict', `${out} is there and holds another plan's or machine's run; choose another --out`)
}
