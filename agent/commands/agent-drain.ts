import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BitfleetError } from '../../shared/errors.ts'
import { lockHolder } from '../../shared/folder-lock.ts'
import { readAgentConfig } from '../config.ts'
import { connectControl } from '../control/client.ts'
import { countSpool } from '../spool/counts.ts'
import { type AgentStartOptions, agentPlace } from './agent.ts'

export interface AgentDrainOptions extends Pick<AgentStartOptions, 'name' | 'stateDir'> {
  /** Until the agent ended. */
  readonly wait?: boolean
}

/** How long the process may take to go once it said that it ended. */
const goneMs = 10_000

/**
 * `bitfleet agent drain`: has the agent take nothing new, finish and hand in what it has, and end. Asked again, or of one
 * that has ended so, it is no error.
 *
 * @returns 0 where it drains, or has; 1 where it ended otherwise and results still wait in its spool
 * @throws `unavailable` where a process has its state folder and does not answer
 */
export async function agentDrain({ wait, ...options }: AgentDrainOptions): Promise<number> {
  const { stateDir: place } = agentPlace(options, readAgentConfig())
  const stateDir = resolve(place)
  const say = (line: string) => process.stderr.write(`${line}\n`)
  const client = await connectControl(stateDir)
  if (client === undefined) {
    const holder = await lockHolder(stateDir)
    if (holder !== undefined) {
      throw new BitfleetError(
        'unavailable',
        `process ${holder.pid} has ${stateDir} and no control socket: it starts, or it is \`agent once\`; end it by SIGTERM, or ask again`,
      )
    }
    return await ended(stateDir, 'the agent is not running', say)
  }
  try {
    const answer = await client.ask({ command: 'drain' })
    const pid = 'pid' in answer ? answer.pid : undefined
    say(`the agent${pid === undefined ? '' : ` (process ${pid})`} is draining: it ends when all it has is acknowledged`)
    if (!wait) return 0
    const last = await client.next()
    if (pid !== undefined) await untilGone(pid)
    if (last !== undefined && 'ended' in last && last.ended === 'drained') {
      say('the agent has ended')
      return 0
    }
    return await ended(stateDir, 'the agent was ended by something else', say)
  } finally {
    client.close()
  }
}

/** What is left decides whether there is anything to complain of. */
async function ended(stateDir: string, how: string, say: (line: string) => void): Promise<number> {
  const { records } = await countSpool(join(stateDir, 'spool'))
  if (records === 0) {
    say(`${how}, and its spool is empty`)
    return 0
  }
  say(`${how}, and ${records} results wait in its spool: start it again to hand them in`)
  return 1
}

/** In another container it cannot be seen at all, and counts as gone. */
async function untilGone(pid: number): Promise<void> {
  const deadline = performance.now() + goneMs
  while (performance.now() < deadline) {
    try {
      process.kill(pid, 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return
    }
    await delay(50)
  }
}
