import { existsSync, readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { parseLabels } from '../../shared/labels.ts'
import { createNetwork } from '../../shared/network/network.ts'
import { withAuthority } from '../../shared/network/settings.ts'
import { visible, visibleLine } from '../../shared/visible.ts'
import { type AgentConfig, readAgentConfig, withState } from '../config.ts'
import { claimStateDir, type Daemon, type DaemonOptions, startDaemon } from '../daemon/daemon.ts'
import { ensureEnrolled } from '../enrolment/enrol.ts'
import { readEnrolment } from '../enrolment/enrolment-file.ts'
import { openIdentity } from '../enrolment/identity.ts'
import { applyClean, type CleanOption } from './clean.ts'

export interface AgentStartOptions extends CleanOption {
  /** Left out: where this agent enrolled. */
  readonly coordinator?: string
  readonly name?: string
  /** `key=value` each. */
  readonly labels?: readonly string[]
  readonly tokenFile?: string
  readonly slots?: number
  /** In place of `BITFLEET_STATE`. */
  readonly stateDir?: string
  /** In place of `BITFLEET_CA_FILE`, and of what was given before. */
  readonly ca?: string
  /** Quota of the results that wait for their acknowledgement, in bytes. */
  readonly spoolBytes?: number
  /** How long running executions may go on once the agent is told to end, in seconds; 20 where it is left out. */
  readonly grace?: number
}

const defaultGraceSeconds = 20

export type AgentEnrollOptions = Omit<AgentStartOptions, 'coordinator' | 'slots' | 'spoolBytes' | 'grace' | 'clean'>

/** `bitfleet agent enroll URL`: makes this machine's key, and has the coordinator take it for a token. Once. */
export async function agentEnroll(url: string, options: AgentEnrollOptions): Promise<number> {
  const config = readAgentConfig()
  const log = (line: string) => void process.stderr.write(`${visible(line)}\n`)
  const token = await readToken(options.tokenFile, config.token, log)
  if (token === undefined) {
    throw new BitfleetError('usage', 'no token: give it on standard input, by --token-file or in BITFLEET_TOKEN')
  }
  const { name, labels, stateDir: place } = agentPlace(options, config)
  const stateDir = resolve(place)
  const unlock = await claimStateDir(stateDir)
  try {
    await ensureEnrolled({ url, token, name, labels, stateDir, ...wayOf(options, config, stateDir), anew: true, log })
    const { id } = openIdentity(stateDir)
    process.stdout.write(`${id}\n`)
    log(`now: bitfleet agent start${options.name === undefined ? '' : ` --name ${name}`}`)
    return 0
  } finally {
    await unlock()
  }
}

/** `bitfleet agent start`: runs until it is told to end, or the coordinator refuses it. */
export async function agentStart(options: AgentStartOptions): Promise<number> {
  const config = readAgentConfig()
  // A coordinator's words stand in it, and those of whoever listens at its address.
  const log = (line: string) => void process.stderr.write(`${new Date().toISOString()} ${visibleLine(line)}\n`)
  let daemon: Daemon | undefined
  const graceSeconds = options.grace ?? defaultGraceSeconds
  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    // Service managers repeat themselves; a person at a terminal means it.
    if (stopping && signal === 'SIGINT') process.exit(130)
    if (stopping) return
    stopping = true
    log(`stopping: what runs may go on for ${graceSeconds} s; Ctrl-C ends it at once`)
    void daemon?.stop(graceSeconds * 1000)
  }
  // Started by `local` or `demo`, it does not outlive them, not even where they end while it starts.
  let isOrphan = false
  const orphaned = () => {
    isOrphan = true
    void daemon?.stop()
  }
  process.once('disconnect', orphaned)
  try {
    daemon = await startDaemon(await daemonOptions(options, config, log))
    // Until here they end it at once, which leaves nothing behind.
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    if (isOrphan) void daemon.stop()
    await daemon.done
    log('stopped')
    return 0
  } finally {
    process.off('SIGTERM', stop)
    process.off('SIGINT', stop)
    // Nobody listening, the channel to whoever started it keeps this process no longer.
    process.off('disconnect', orphaned)
  }
}

async function daemonOptions(
  options: AgentStartOptions,
  config: AgentConfig,
  log: (line: string) => void,
): Promise<DaemonOptions> {
  const place = agentPlace(options, config)
  return {
    url: options.coordinator,
    token: await tokenToStartWith(options, config, place.stateDir, log),
    ...place,
    ...wayOf(options, config, place.stateDir),
    spoolBytes: options.spoolBytes,
    config: applyClean(withState(config, options.stateDir), options, log),
    log,
  }
}

/** Once it has enrolled it needs none: a file that was removed then, as it should be, keeps no agent from starting. */
async function tokenToStartWith(
  { tokenFile }: AgentStartOptions,
  { token }: AgentConfig,
  stateDir: string,
  log: (line: string) => void,
): Promise<string | undefined> {
  if (tokenFile !== undefined && !existsSync(tokenFile) && readEnrolment(resolve(stateDir))) return undefined
  return readToken(tokenFile, token, log, false)
}

/**
 * How the coordinator is reached. An authority that a person named is kept by its path, as it is read again for each
 * connection; without one, what was named before holds.
 */
function wayOf(
  { ca }: Pick<AgentStartOptions, 'ca'>,
  { network }: Pick<AgentConfig, 'network'>,
  stateDir: string,
): Pick<DaemonOptions, 'network' | 'caFile'> {
  const caFile = ca === undefined ? undefined : resolve(ca)
  const before = readEnrolment(resolve(stateDir))?.caFile
  return {
    network: createNetwork(withAuthority(network, caFile ?? network.caFile ?? before)),
    ...(caFile === undefined ? {} : { caFile }),
  }
}

/** Who an agent is on its machine, from its options. @throws `usage` */
export function agentPlace(
  options: Pick<AgentStartOptions, 'name' | 'labels' | 'slots' | 'stateDir'>,
  { stateRoot }: Pick<AgentConfig, 'stateRoot'>,
) {
  const slots = options.slots ?? 1
  if (slots < 1) throw new BitfleetError('usage', `--slots ${slots}: an agent takes at least one execution at a time`)
  return {
    name: nameOf(options.name ?? hostname(), options.name !== undefined),
    labels: parseLabels(options.labels ?? []),
    // Without a name the folder has none either: an agent stays itself when its machine is called something else.
    stateDir: join(options.stateDir ?? stateRoot, 'agents', options.name ?? 'default'),
    slots,
  }
}

/** Never from an argument: those can be read by everyone on the machine. */
async function readToken(
  file: string | undefined,
  environment: string | undefined,
  log: (line: string) => void,
  asks = true,
): Promise<string | undefined> {
  const token = file === undefined ? (environment ?? (asks ? await readStandardInput() : '')) : readTokenFile(file, log)
  if (token.trim() !== '') return token.trim()
  if (file !== undefined) throw new BitfleetError('usage', `the token file ${file} is empty`)
  return undefined
}

function readTokenFile(file: string, log: (line: string) => void): string {
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      log(`${file} can be read by others on this machine; chmod 600 keeps the token to you`)
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BitfleetError('not-found', `the token file cannot be read: ${messageOf(cause)}`, { cause })
  }
}

async function readStandardInput(): Promise<string> {
  return process.stdin.isTTY ? '' : await text(process.stdin)
}

/** A name is shown to people and names a folder. A host's name is made to fit; a person's own choice is not changed. */
function nameOf(name: string, chosen: boolean): string {
  const fitting = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
  if (fitting.test(name)) return name
  if (chosen)
    throw new BitfleetError('usage', `--name "${name}": letters, digits, dots, dashes and underscores, at most 64`)
  return (
    name
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 64) || 'agent'
  )
}
