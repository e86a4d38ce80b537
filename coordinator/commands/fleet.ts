import { z } from 'zod'
import { agentSchema, createdTokenSchema } from '../api/schemas.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { connectCoordinator, type CoordinatorClient } from '../client/client.ts'
import { sending } from '../client/http.ts'
import { parseLabels } from '../../shared/labels.ts'
import { visibleLine } from '../../shared/visible.ts'
import { connectionOptions, type RunOptions } from './find-report.ts'

export interface FleetOptions extends RunOptions {
  readonly json?: boolean
}

const connect = (options: FleetOptions): Promise<CoordinatorClient> => connectCoordinator(connectionOptions(options))

type Agent = z.infer<typeof agentSchema>
const agentsSchema = z.object({ agents: z.array(agentSchema) })

/** `bitfleet token create`: the token on standard output, and nothing else there. */
export async function createToken(
  options: FleetOptions & { ttl: string; label: readonly string[]; needsApproval?: boolean },
): Promise<number> {
  const request = {
    ttlMs: parseDuration('--ttl', options.ttl),
    labels: parseLabels(options.label),
    needsApproval: options.needsApproval ?? false,
  }
  const client = await connect(options)
  const created = await client.read('/api/tokens', createdTokenSchema, sending('POST', request))
  if (options.json) process.stdout.write(`${JSON.stringify(created)}\n`)
  else {
    process.stdout.write(`${created.token}\n`)
    process.stderr.write(
      `Good for one machine, until ${created.expiresAt}. There:\n` +
        `  bitfleet agent enroll ${client.url}     # the token on standard input, or in BITFLEET_TOKEN\n`,
    )
  }
  return 0
}

/** `bitfleet agents list`. */
export async function listAgents(options: FleetOptions): Promise<number> {
  const { agents } = await (await connect(options)).read('/api/agents', agentsSchema)
  process.stdout.write(options.json ? `${JSON.stringify(agents, null, 2)}\n` : formatAgents(agents))
  return 0
}

export function formatAgents(agents: readonly Agent[]): string {
  if (agents.length === 0) return 'No agent has enrolled; `bitfleet token create` makes a token for one.\n'
  const rows = agents.map((agent) => [
    agent.id,
    visibleLine(agent.name),
    agent.standing === 'enrolled' ? (agent.connected ? 'connected' : 'away') : agent.standing,
    agent.lastSeen ?? 'never',
    labelsText(agent.labels),
  ])
  const head = ['agent', 'name', 'state', 'last connected', 'labels']
  const widths = head.map((title, i) => Math.max(...[head, ...rows].map((row) => (row[i] ?? title).length)))
  const lines = [head, ...rows].map((row) =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const reasons = agents.flatMap(({ id, reason }) => (reason === undefined ? [] : [`${id}: ${visibleLine(reason)}`]))
  return [...lines, ...(reasons.length > 0 ? ['', ...reasons] : []), ''].join('\n')
}

/** `bitfleet agents approve ID`. */
export async function approveAgent(id: string, options: FleetOptions): Promise<number> {
  return change(`/api/agents/${encodeURIComponent(id)}/approve`, {}, options)
}

/** `bitfleet agents unlock ID…`, or `--ahead` for all that a store restored from an older copy has locked out. */
export async function unlockAgents(
  ids: readonly string[],
  { ahead, ...options }: FleetOptions & { ahead?: boolean },
): Promise<number> {
  if (ids.length > 0 === (ahead ?? false)) {
    throw new BitfleetError('usage', 'name the agents to unlock, or give --ahead for all that this store is older than')
  }
  const client = await connect(options)
  const found = ahead
    ? (await client.read('/api/agents', agentsSchema)).agents.filter((agent) => agent.ahead).map(({ id }) => id)
    : ids
  const unlocked: Agent[] = []
  for (const id of found) {
    unlocked.push(await client.read(`/api/agents/${encodeURIComponent(id)}/unlock`, agentSchema, sending('POST', {})))
  }
  if (options.json) process.stdout.write(`${JSON.stringify(unlocked)}\n`)
  else process.stdout.write(unlocked.length === 0 ? 'No agent is locked for that\n' : formatAgents(unlocked))
  return 0
}

/** `bitfleet agents revoke ID --reason TEXT`. */
export async function revokeAgent(id: string, options: FleetOptions & { reason: string }): Promise<number> {
  return change(`/api/agents/${encodeURIComponent(id)}/revoke`, { reason: options.reason }, options)
}

/** `bitfleet agents label ID site=lab-3 rack-`: sets labels; a key with a dash behind it is removed. */
export async function labelAgent(id: string, changes: readonly string[], options: FleetOptions): Promise<number> {
  const remove = changes.filter((text) => !text.includes('=') && text.endsWith('-')).map((text) => text.slice(0, -1))
  const set = parseLabels(changes.filter((text) => text.includes('=') || !text.endsWith('-')))
  return change(`/api/agents/${encodeURIComponent(id)}/labels`, { set, remove }, options)
}

/** `bitfleet agents prune`. */
export async function pruneAgents(options: FleetOptions & { unseen?: string }): Promise<number> {
  const unseenSince =
    options.unseen === undefined
      ? {}
      : { unseenSince: new Date(Date.now() - parseDuration('--unseen', options.unseen)).toISOString() }
  const client = await connect(options)
  const { pruned } = await client.read(
    '/api/agents/prune',
    z.object({ pruned: z.array(z.string()) }),
    sending('POST', unseenSince),
  )
  process.stdout.write(options.json ? `${JSON.stringify({ pruned })}\n` : pruned.map((id) => `${id}\n`).join(''))
  process.stderr.write(`${pruned.length} agents forgotten\n`)
  return 0
}

async function change(path: string, body: unknown, options: FleetOptions): Promise<number> {
  const agent = await (await connect(options)).read(path, agentSchema, sending('POST', body))
  process.stdout.write(options.json ? `${JSON.stringify(agent)}\n` : formatAgents([agent]))
  return 0
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => visibleLine(`${key}=${value}`))
    .join(' ')
}

const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** @param text such as `10m` @throws `usage` */
export function parseDuration(option: string, text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const ms = unitsMs[unit ?? '']
  if (ms === undefined)
    throw new BitfleetError('usage', `${option} "${text}" is no duration such as 30s, 10m, 12h or 7d`)
  return Number(number) * ms
}
