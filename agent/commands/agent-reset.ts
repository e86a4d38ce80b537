import { existsSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { BitfleetError } from '../../shared/errors.ts'
import { bytesText } from '../../shared/bytes-text.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import { visibleLine } from '../../shared/visible.ts'
import { readAgentConfig } from '../config.ts'
import { countSpool } from '../spool/counts.ts'
import { type AgentStartOptions, agentPlace } from './agent.ts'

export interface AgentResetOptions extends Pick<AgentStartOptions, 'name' | 'stateDir'> {
  readonly yes?: boolean
  readonly discardResults?: boolean
}

/** What stands in a state folder, for those who are to lose it. Others are named as they are. */
const meanings: Readonly<Record<string, string>> = {
  'key.pem': 'the key: the agent becomes another one',
  'enrolment.json': 'the enrolment: it needs a new token',
  cache: 'tensors it kept for the coordinator',
  spool: 'results not handed in, and results set aside',
  scratch: 'what executions left behind',
}

/**
 * `bitfleet agent reset`: removes what makes an agent this agent, after it said what that is.
 *
 * @returns 0 done, or nothing there; 1 where the person said no
 * @throws `conflict` while the agent runs, or while results wait in its spool and are not to be discarded; `usage` off a
 *   terminal without `yes`
 */
export async function agentReset(options: AgentResetOptions): Promise<number> {
  const { stateDir: place } = agentPlace(options, readAgentConfig())
  const stateDir = resolve(place)
  const say = (line: string) => process.stderr.write(`${line}\n`)
  if (!existsSync(stateDir)) {
    say(`${stateDir} is not there: nothing to reset`)
    return 0
  }
  const unlock = await takeLock(stateDir, 'end the agent first: `bitfleet agent drain --wait`, or SIGTERM')
  try {
    // The lock's own files stay: whoever waits for the lock must find them.
    const names = (await readdir(stateDir)).filter((name) => !name.startsWith('lock.')).sort()
    if (names.length === 0) {
      say(`${stateDir} holds nothing: nothing to reset`)
      return 0
    }
    const { records } = await countSpool(join(stateDir, 'spool'))
    if (records > 0 && options.discardResults !== true) {
      throw new BitfleetError(
        'conflict',
        `the spool holds ${records} results that the coordinator has not acknowledged; start the agent to hand them in, or give --discard-results to lose them`,
      )
    }
    say(`this removes from ${stateDir}:`)
    for (const name of names) say(`  ${visibleLine(await describe(stateDir, name))}`)
    if (records > 0) say(`${records} results that nobody else has are lost with it`)
    if (options.yes !== true && !(await confirmed())) {
      say('nothing was removed')
      return 1
    }
    // The key last: until it is gone, what is left is still this agent's.
    for (const name of [...names.filter((one) => one !== 'key.pem'), ...names.filter((one) => one === 'key.pem')]) {
      await rm(join(stateDir, name), { recursive: true, force: true })
    }
    say('removed')
    return 0
  } finally {
    await unlock()
  }
}

async function describe(stateDir: string, name: string): Promise<string> {
  const bytes = await sizeOf(join(stateDir, name))
  const meaning = meanings[name]
  return `${name} (${bytesText(bytes)})${meaning === undefined ? '' : `: ${meaning}`}`
}

/** Links count as what they are, and are not followed. */
async function sizeOf(path: string): Promise<number> {
  const found = await lstat(path)
  if (!found.isDirectory()) return found.size
  let bytes = 0
  for (const name of await readdir(path)) bytes += await sizeOf(join(path, name))
  return bytes
}

async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new BitfleetError('usage', 'nobody can be asked here: give --yes to remove all of this')
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
    return (await Promise.race([lines.question('type "yes" to remove it: '), closed])).trim() === 'yes'
  } finally {
    lines.close()
  }
}
