import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import { makeFolder } from '../../shared/folder.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import { fingerprintOf } from '../../shared/keys.ts'
import { agentEndpoint, type AgentRecord, type Job } from '../../shared/messages.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { connectWebSocket } from '../../shared/transports/websocket.ts'
import { type AgentConfig, readSoftware } from '../config.ts'
import { readRuntimeDir } from '../control/config.ts'
import type { AgentStatus } from '../control/messages.ts'
import { openControlServer } from '../control/server.ts'
import { openIdentity } from '../identity.ts'
import { readInventory } from '../inventory/index.ts'
import { openSeenNonces, type SeenNonces } from '../spool/seen-nonces.ts'
import { openSpool, type Spool } from '../spool/spool.ts'
import { openArtifactCache } from './artifact-cache.ts'
import { type ArtifactExchange, createArtifactExchange } from './artifact-exchange.ts'
import { createBackoff } from './backoff.ts'
import { describeBackends, runnerArguments } from './describe.ts'
import { type ExecutionContext, type ExecutionResult, runExecution } from './execution.ts'
import { createJobQueue, type JobQueue } from './job-queue.ts'
import { createLibraryDigests } from './library-digests.ts'
import { type Line, serveLine } from './line.ts'

export interface DaemonOptions {
  /** The coordinator's address, `http:` or `https:`. */
  readonly url: string
  readonly token: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** This agent's own folder: its key, cache and scratch. */
  readonly stateDir: string
  /** Executions at a time. */
  readonly slots: number
  readonly config: Pick<AgentConfig, 'environment' | 'runnerModules'>
  readonly log: (line: string) => void
  readonly cacheBytes?: number
  readonly keepBytes?: number
  /** Quota of the results that wait for their acknowledgement, in bytes. */
  readonly spoolBytes?: number
}

export interface Daemon {
  readonly agent: AgentRecord
  /**
   * Lets what runs go on for a while, cancels it then, reports it where the coordinator can be reached, and closes the
   * line.
   *
   * @param graceMs 0 where it is left out
   */
  stop(graceMs?: number): Promise<void>
  /** Takes no more jobs, finishes and hands in what it has, and stops. */
  drain(): Promise<void>
  /** Resolves when stopped; rejects with `refused` where the coordinator turns this agent away. */
  readonly done: Promise<void>
}

const defaultCacheBytes = 8 * 2 ** 30
const defaultKeepBytes = 256 << 20
/** How long a stopping agent waits for its last results to be acknowledged. */
const farewellMs = 5_000
const farewell = 'the agent is stopping'

/**
 * Makes an agent's state folder and takes it for this process: two with one key would be one agent in two places.
 *
 * @returns what gives it back
 * @throws `conflict` where another process has it, `system`
 */
export async function claimStateDir(stateDir: string): Promise<() => Promise<void>> {
  await makeFolder(stateDir, 0o700, 'choose another with --state or BITFLEET_STATE')
  return takeLock(
    stateDir,
    'the agent runs already; another on this machine needs --name OTHER or a BITFLEET_STATE of its own',
  )
}

/**
 * Starts the agent of a state folder; the line to the coordinator is then kept, and made again, for as long as it runs.
 *
 * @throws `conflict` where another process is this agent, `system`, `usage`
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { log } = options
  // Runners work in folders of their own, where a relative path would mean another place.
  const stateDir = resolve(options.stateDir)
  const url = endpointOf(options.url)
  const unlock = await claimStateDir(stateDir)
  try {
    const { agent, context } = await prepareAgent({ ...options, stateDir })
    log(`agent ${agent.name} (${agent.id}) with ${readyBackends(agent)}`)
    const spoolFolder = join(stateDir, 'spool')
    const spool = await openSpool(spoolFolder, { log, quotaBytes: options.spoolBytes })
    const seen = await openSeenNonces(join(spoolFolder, 'nonces'), join(spoolFolder, 'drafts'), { log })
    const daemon = keepRunning(options, url, agent, context, spool, seen)
    // It may end before anybody looks.
    daemon.done.catch(() => {})
    const { status, drain } = reportOn(daemon, agent, url, openIdentity(stateDir).publicKey)
    const control = await openControlServer(stateDir, { status, drain }, { log, runtimeDir: readRuntimeDir() })
    const release = async () => {
      const farewellTo = await control?.close()
      await seen.close()
      await unlock()
      farewellTo?.(daemon.drained() ? 'drained' : 'stopped')
    }
    const done = daemon.done.then(release, async (error: unknown) => {
      await release()
      throw error
    })
    // Whoever started it looks at `done` when it likes.
    done.catch(() => {})
    return { agent, stop: daemon.stop, drain: daemon.drain, done }
  } catch (error) {
    await unlock()
    throw error
  }
}

export type MachineOptions = Omit<DaemonOptions, 'url' | 'token' | 'log'>

/** Opens the identity of a state folder, and describes its machine. @param options `stateDir` as an absolute path */
export async function prepareAgent({
  name,
  labels,
  stateDir,
  slots,
  config,
  cacheBytes,
  keepBytes,
}: MachineOptions): Promise<{ agent: AgentRecord; context: ExecutionContext }> {
  const { id } = openIdentity(stateDir)
  const scratchRoot = join(stateDir, 'scratch')
  // Left behind by an agent that was killed.
  rmSync(scratchRoot, { recursive: true, force: true })
  const cache = openArtifactCache(join(stateDir, 'cache'), cacheBytes ?? defaultCacheBytes)
  const [inventory, backends] = await Promise.all([readInventory(), describeBackends(config)])
  const agent: AgentRecord = {
    id,
    name,
    labels: { ...labels },
    software: readSoftware(),
    facts: { ...inventory.facts },
    attributes: { ...inventory.attributes },
    devices: [...inventory.devices],
    backends,
    slots,
  }
  const context: ExecutionContext = {
    runner: runnerArguments(config),
    backends,
    environment: config.environment,
    scratchRoot,
    cache,
    libraryDigests: createLibraryDigests(),
    keepBytes: keepBytes ?? defaultKeepBytes,
  }
  return { agent, context }
}

function keepRunning(
  { token, slots, log }: DaemonOptions,
  url: string,
  agent: AgentRecord,
  context: ExecutionContext,
  spool: Spool,
  seen: SeenNonces,
) {
  const exchange = createArtifactExchange(context.cache)
  let connection: Connection | undefined
  /** The same, once the coordinator has welcomed this agent. */
  let line: Line | undefined
  const queue: JobQueue = createJobQueue({
    slots,
    spool,
    seen,
    run: (job, signal) => runJob(job, signal, exchange, context),
    offer: (key) => line?.offer(key),
    // This protocol has no words for it: what is not taken is given again when the line ends.
    refused: () => {},
    ready: () => {},
    log,
  })
  const stopping = new AbortController()
  const backoff = createBackoff()
  let everWelcomed = false
  let contact: AgentStatus['connection'] = disconnected('it was not reached yet')

  /** What turns the agent away before it could say who it is may be a proxy's bad minute, once it was let in before. */
  const connect = () =>
    connectWebSocket(url).catch((error: unknown) => {
      throw everWelcomed ? new BitfleetError('unavailable', messageOf(error), { cause: error }) : error
    })

  const keepLine = async () => {
    while (!stopping.signal.aborted) {
      try {
        connection = await connect()
        if (stopping.signal.aborted) return connection.close(farewell)
        const reason = await serveLine(connection, {
          token,
          agent,
          exchange,
          queue,
          log,
          onWelcome(welcomed) {
            line = welcomed
            everWelcomed = true
            contact = { state: 'connected', since: new Date().toISOString() }
            backoff.reset()
            log(`connected to ${url}`)
          },
        })
        log(`line closed: ${reason}`)
        contact = disconnected(reason)
      } catch (error) {
        if (isBitfleetError(error) && (error.code === 'refused' || error.code === 'usage')) throw error
        log(messageOf(error))
        contact = disconnected(messageOf(error))
      } finally {
        line = undefined
        connection = undefined
      }
      await delay(backoff.nextMs(), undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  /** Waits, not for ever, while there is a line and the coordinator has not acknowledged all. */
  const untilHandedIn = async () => {
    const deadline = performance.now() + farewellMs
    const owing = () => line !== undefined && queue.counts().owed > 0
    while (owing() && performance.now() < deadline) await delay(20)
  }

  const kept = keepLine()
  let draining = false
  /** To end, whatever it has. */
  let told = false
  let drained = false
  const drain = async () => {
    draining = true
    await queue.drain()
    drained = !told
    await end(0)
  }
  const stop = async (graceMs = 0) => {
    told = true
    await end(graceMs)
  }
  const end = async (graceMs: number) => {
    if (stopping.signal.aborted) return await kept.catch(() => {})
    await queue.stop(graceMs)
    await untilHandedIn()
    stopping.abort()
    connection?.close(farewell)
    await kept.catch(() => {})
  }
  const done = kept.catch(async (error: unknown) => {
    await queue.stop()
    throw error
  })
  return {
    stop,
    drain,
    done,
    drained: () => drained,
    facts: () => ({ connection: contact, draining, slots, jobs: queue.counts(), spool: spool.usage() }),
  }
}

function disconnected(reason: string): AgentStatus['connection'] {
  return { state: 'disconnected', since: new Date().toISOString(), reason }
}

/** What the control socket answers. */
function reportOn(daemon: ReturnType<typeof keepRunning>, agent: AgentRecord, url: string, publicKey: string) {
  const startedAt = new Date().toISOString()
  const { id, name, labels, software } = agent
  const address = new URL(url)
  // They may be secrets, and whoever looks at an agent needs none.
  address.username = ''
  address.password = ''
  return {
    status: (): AgentStatus => ({
      ...{ pid: process.pid, startedAt, id, fingerprint: fingerprintOf(publicKey), name, labels, software },
      coordinator: address.href,
      ...daemon.facts(),
      backends: agent.backends.map(({ id: backend, status, version }) => ({ id: backend, status, version })),
    }),
    drain: () => void daemon.drain(),
  }
}

/** Fetches what a job needs, then makes its execution. */
async function runJob(
  job: Job,
  signal: AbortSignal,
  exchange: ArtifactExchange,
  context: ExecutionContext,
): Promise<ExecutionResult> {
  const inputs = new Map<string, Uint8Array>()
  for (const { digest } of job.inputs) inputs.set(digest, await exchange.fetch(digest, signal))
  return await runExecution(job, inputs, context, signal)
}

function endpointOf(url: string): string {
  let base: URL
  try {
    base = new URL(url)
  } catch (cause) {
    throw new BitfleetError('usage', `"${url}" is no address of a coordinator; it looks like http://HOST:7575`, {
      cause,
    })
  }
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(base.protocol)) {
    throw new BitfleetError('usage', `"${url}" is no address of a coordinator; it starts with http:// or https://`)
  }
  // Under a reverse proxy the coordinator may stand below a path.
  return new URL(base.pathname.replace(/\/$/, '') + agentEndpoint, base).href
}

function readyBackends({ backends }: AgentRecord): string {
  const ready = backends
    .filter(({ status }) => status === 'ready')
    .map(({ id, version }) => `${id} ${version ?? ''}`.trim())
  return ready.length === 0 ? 'no backend' : ready.join(', ')
}
