import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { bytesText } from '../../shared/bytes-text.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { lockHolder } from '../../shared/folder-lock.ts'
import { agentIdOf, fingerprintOf, openKeyFile } from '../../shared/keys.ts'
import { visibleLine } from '../../shared/visible.ts'
import { readAgentConfig } from '../config.ts'
import { connectControl } from '../control/client.ts'
import type { AgentStatus } from '../control/messages.ts'
import { countSpool, type SpoolCounts } from '../spool/counts.ts'
import { type AgentStartOptions, agentPlace } from './agent.ts'

export interface AgentStatusOptions extends Pick<AgentStartOptions, 'name' | 'stateDir'> {
  readonly json?: boolean
}

/** An agent that says nothing: what its state folder and its lock tell. */
export interface SilentAgent {
  /** Of the process that has the state folder: one that starts, hangs, or is `agent once`. */
  readonly pid?: number
  readonly reason?: string
  readonly id?: string
  readonly fingerprint?: string
  readonly spool: SpoolCounts
}

/**
 * `bitfleet agent status`: whether this machine's agent runs, and how it is.
 *
 * @returns 0 connected, 1 running and not connected, 3 not running
 */
export async function agentStatus(options: AgentStatusOptions): Promise<number> {
  const { stateDir: place } = agentPlace(options, readAgentConfig())
  const stateDir = resolve(place)
  const found = await lookAt(stateDir)
  const running = 'name' in found || found.pid !== undefined
  if (options.json) process.stdout.write(`${JSON.stringify({ running, stateDir, ...found }, null, 2)}\n`)
  else process.stdout.write('name' in found ? formatStatus(found) : formatSilent(stateDir, found))
  if (!running) return 3
  return 'name' in found && found.connection.state === 'connected' ? 0 : 1
}

async function lookAt(stateDir: string): Promise<AgentStatus | SilentAgent> {
  try {
    const status = await askStatus(stateDir)
    if (status !== undefined) return status
    const holder = await lockHolder(stateDir)
    return { ...(await fromOutside(stateDir)), ...(holder && { pid: holder.pid, reason: 'it has no control socket' }) }
  } catch (error) {
    const holder = await lockHolder(stateDir)
    if (holder === undefined) throw error
    return { ...(await fromOutside(stateDir)), pid: holder.pid, reason: messageOf(error) }
  }
}

async function askStatus(stateDir: string): Promise<AgentStatus | undefined> {
  const client = await connectControl(stateDir)
  if (client === undefined) return undefined
  try {
    const answer = await client.ask({ command: 'status' })
    if (!('status' in answer)) throw new BitfleetError('protocol', 'the agent answers something else than its status')
    return answer.status
  } finally {
    client.close()
  }
}

async function fromOutside(stateDir: string): Promise<SilentAgent> {
  const key = join(stateDir, 'key.pem')
  const publicKey = existsSync(key) ? openKeyFile(key).publicKey : undefined
  return {
    ...(publicKey === undefined ? {} : { id: agentIdOf(publicKey), fingerprint: fingerprintOf(publicKey) }),
    spool: await countSpool(join(stateDir, 'spool')),
  }
}

/** Names, labels and reasons come from elsewhere: each stands on its line and moves no cursor. */
export function formatStatus(status: AgentStatus): string {
  const { name, id, connection, coordinator, labels, jobs, spool, backends } = status
  const contact =
    connection.state === 'connected'
      ? `connected to ${coordinator} since ${connection.since}`
      : `not connected to ${coordinator} since ${connection.since}: ${connection.reason}`
  const ready = backends.filter((backend) => backend.status === 'ready').map((one) => `${one.id} ${one.version ?? ''}`)
  const others = backends.filter((backend) => backend.status !== 'ready').map((one) => one.id)
  const aside = asideText(spool)
  return rows(`agent ${name} (${id}): ${contact}`, [
    ['key', status.fingerprint],
    ['process', `${status.pid}, since ${status.startedAt}, ${status.software}`],
    [
      'labels',
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ') || 'none',
    ],
    ['jobs', `${jobs.running} running, ${jobs.waiting} waiting; ${status.slots} at a time`],
    ...(status.draining ? ([['draining', 'takes no more jobs, and ends when all is acknowledged']] as const) : []),
    ...(jobs.refusing === undefined ? [] : ([['refusing', jobs.refusing]] as const)),
    ['spool', `${spool.records} results, ${bytesText(spool.bytes)} of ${bytesText(spool.quotaBytes)}`],
    ...(jobs.unwritten > 0 ? ([['unwritten', `${jobs.unwritten} results, in memory alone`]] as const) : []),
    ...(aside === undefined ? [] : ([['set aside', aside]] as const)),
    ['backends', ready.map((one) => one.trim()).join(', ') || 'none'],
    ...(others.length === 0 ? [] : ([['not here', others.join(', ')]] as const)),
  ])
}

function formatSilent(stateDir: string, { pid, reason, id, fingerprint, spool }: SilentAgent): string {
  const aside = asideText(spool)
  const who = id === undefined ? '' : ` ${id}`
  const first =
    pid === undefined
      ? `agent${who}: not running`
      : `agent${who}: process ${pid} has its state folder and does not answer: it starts, it hangs, or it is \`agent once\`${reason === undefined ? '' : ` (${reason})`}`
  return rows(first, [
    ['state', stateDir],
    ...(fingerprint === undefined ? [] : ([['key', fingerprint]] as const)),
    ['spool', `${spool.records} results, ${bytesText(spool.bytes)}`],
    ...(aside === undefined ? [] : ([['set aside', aside]] as const)),
  ])
}

function asideText({ damaged, refused }: Pick<SpoolCounts, 'damaged' | 'refused'>): string | undefined {
  if (damaged + refused === 0) return undefined
  return `${damaged} damaged, ${refused} refused by the coordinator`
}

function rows(first: string, parts: readonly (readonly [string, string])[]): string {
  const lines = parts.map(([name, text]) => `  ${name.padEnd(10)} ${visibleLine(text)}\n`)
  return `${visibleLine(first)}\n${lines.join('')}`
}
