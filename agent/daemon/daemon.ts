import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import { makeFolder } from '../../shared/folder.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import { type AgentRecord, inventoryDigest, type Job } from '../../shared/messages.ts'
import type { Network } from '../../shared/network/network.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { connectWebSocket } from '../../shared/transports/websocket.ts'
import { readSoftware } from '../config.ts'
import { readRuntimeDir } from '../control/config.ts'
import { type ConnectionStatus, disconnected, reportOn } from '../control/report.ts'
import { openControlServer } from '../control/server.ts'
import { endpointOf, ensureEnrolled } from '../enrolment/enrol.ts'
import { createRenewals, type EnrolmentState } from '../enrolment/enrolment-file.ts'
import { type Identity, openIdentity } from '../enrolment/identity.ts'
import { readInventory } from '../inventory/index.ts'
import { sweepDrafts } from '../provision/place.ts'
import type { JobKey } from '../spool/file-name.ts'
import { openSeenNonces } from '../spool/seen-nonces.ts'
import { type Damaged, openSpool, type Spool } from '../spool/spool.ts'
import { openArtifactCache } from './artifact-cache.ts'
import { type ArtifactExchange, createArtifactExchange } from './artifact-exchange.ts'
import { createBackoff } from './backoff.ts'
import { offersOf } from './describe.ts'
import { type ExecutionContext, type ExecutionResult, runExecution } from './execution.ts'
import { environmentRecord } from './runner-environment.ts'
import { clearScratch } from './scratch.ts'
import { createJobQueue, type JobQueue } from './job-queue.ts'
import { createLibraryDigests } from './library-digests.ts'
import { type Line, serveLine } from './line.ts'
import type { RunnerConfig } from './runners.ts'
import { withSignature } from './sign-result.ts'

export interface DaemonOptions {
  /** The coordinator's address, `http:` or `https:`; left out, where this agent enrolled. */
  readonly url?: string
  /** Enrols this agent first, unless it has. */
  readonly token?: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** This agent's own folder: its key, cache and scratch. */
  readonly stateDir: string
  /** Executions at a time. */
  readonly slots: number
  readonly config: RunnerConfig
  /** How the coordinator is reached; left out, without a proxy, trusting what the system trusts. */
  readonly network?: Network
  /** The file of authorities in it that a person named, as an absolute path: kept for the next start. */
  readonly caFile?: string
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
  if (options.url !== undefined) endpointOf(options.url)
  const unlock = await claimStateDir(stateDir)
  try {
    const enrolment = await ensureEnrolled({ ...options, stateDir })
    const { name } = enrolment
    const { identity, agent, context } = await prepareAgent({ ...options, name, stateDir })
    log(`agent ${agent.name} (${agent.id}) with ${readyBackends(agent)}`)
    const spool = await openSpool(join(stateDir, 'spool'), { log, quotaBytes: options.spoolBytes })
    const daemon = await keepRunning({ ...options, stateDir }, enrolment, identity, agent, context, spool)
    // It may end before anybody looks.
    daemon.done.catch(() => {})
    const status = reportOn(agent, enrolment.url, identity.publicKey, daemon.facts)
    const control = await openControlServer(
      stateDir,
      { status, drain: () => void daemon.drain() },
      { log, runtimeDir: readRuntimeDir() },
    )
    const release = async () => {
      const farewellTo = await control?.close()
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

export type MachineOptions = Omit<DaemonOptions, 'url' | 'token' | 'network' | 'caFile' | 'log'>

/** Opens the identity of a state folder, and describes its machine. @param options `stateDir` as an absolute path */
export async function prepareAgent({
  name,
  labels,
  stateDir,
  slots,
  config,
  cacheBytes,
  keepBytes,
}: MachineOptions): Promise<{ identity: Identity; agent: AgentRecord; context: ExecutionContext }> {
  const identity = openIdentity(stateDir)
  const { id } = identity
  const scratchRoot = join(stateDir, 'scratch')
  // Left behind by an agent that was killed.
  const left = clearScratch(scratchRoot)
  // Later executions have folders of other names.
  if (left !== undefined) process.stderr.write(`${scratchRoot} has in it what was not removed: ${left}\n`)
  await sweepDrafts(config.backendFolders ?? [])
  const cache = openArtifactCache(join(stateDir, 'cache'), cacheBytes ?? defaultCacheBytes)
  const [inventory, offers] = await Promise.all([readInventory(), offersOf(config)])
  const environment = environmentRecord(config.environment)
  const agent: AgentRecord = {
    id,
    name,
    labels: { ...labels },
    software: readSoftware(),
    facts: { ...inventory.facts, ...environment.facts },
    attributes: { ...inventory.attributes, ...environment.attributes },
    devices: [...inventory.devices],
    backends: offers.map(({ backend }) => backend),
    slots,
  }
  const context: ExecutionContext = {
    offers,
    environment: config.environment,
    scratchRoot,
    cache,
    libraryDigests: createLibraryDigests(),
    keepBytes: keepBytes ?? defaultKeepBytes,
  }
  return { identity, agent, context }
}

async function keepRunning(
  { stateDir, slots, network, log }: Pick<DaemonOptions, 'stateDir' | 'slots' | 'network' | 'log'>,
  enrolment: EnrolmentState,
  identity: Identity,
  agent: AgentRecord,
  context: ExecutionContext,
  spool: Spool,
) {
  const url = endpointOf(enrolment.url)
  const credentials = { key: identity, coordinator: enrolment.coordinator, renewals: createRenewals(stateDir) }
  const inventory = inventoryDigest(agent)
  const sign = (job: Pick<Job, 'id' | 'attempt' | 'nonce'>, result: ExecutionResult): ExecutionResult =>
    withSignature({ ...job, agent: agent.id }, result, inventory, identity)
  const exchange = createArtifactExchange(context.cache)
  let connection: Connection | undefined
  /** The same, once the coordinator has welcomed this agent. */
  let line: Line | undefined
  let coordinatorNow = Date.now
  const spoolFolder = join(stateDir, 'spool')
  const seen = await openSeenNonces(join(spoolFolder, 'nonces'), join(spoolFolder, 'drafts'), {
    log,
    now: () => coordinatorNow(),
  })
  const queue: JobQueue = createJobQueue({
    slots,
    spool,
    seen,
    run: (job, signal) => runJob(job, signal, exchange, context),
    seal: sign,
    offer: (key) => line?.offer(key),
    refused: ({ id, attempt }, reason, later) => line?.refuse(id, attempt, reason, later),
    ready: () => line?.ready(),
    log,
  })
  const toldOf = new Set<Damaged>()
  /** So that their jobs are made again, and not waited for. */
  const tellDamaged = () => {
    for (const one of spool.damaged()) {
      if (line === undefined || toldOf.has(one) || one.job === undefined || one.attempt === undefined) continue
      toldOf.add(one)
      line.refuse(one.job, one.attempt, `its result was damaged on the disk of this agent: ${one.reason}`, false)
    }
  }
  const read = async (key: JobKey) => {
    const finished = await queue.read(key)
    if (finished === undefined) tellDamaged()
    return finished
  }
  const stopping = new AbortController()
  const backoff = createBackoff()
  let everWelcomed = enrolment.sequence > 0
  let contact: ConnectionStatus = disconnected('it was not reached yet')

  /** What turns the agent away before it could say who it is may be a proxy's bad minute, once it was let in before. */
  const connect = () =>
    connectWebSocket(url, { network }).catch((error: unknown) => {
      throw everWelcomed ? new BitfleetError('unavailable', messageOf(error), { cause: error }) : error
    })

  const keepLine = async () => {
    while (!stopping.signal.aborted) {
      try {
        connection = await connect()
        if (stopping.signal.aborted) return connection.close(farewell)
        const reason = await serveLine(connection, {
          credentials,
          agent,
          exchange,
          queue: { ...queue, read },
          wasWelcome: everWelcomed,
          log,
          onWelcome(welcomed) {
            line = welcomed
            everWelcomed = true
            coordinatorNow = () => welcomed.coordinatorNow()
            contact = { state: 'connected', since: new Date().toISOString() }
            backoff.reset()
            log(`connected to ${url}`)
            tellDamaged()
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
  const end = async (graceMs: number) => {
    if (stopping.signal.aborted) return await kept.catch(() => {})
    await queue.stop(graceMs)
    await untilHandedIn()
    stopping.abort()
    connection?.close(farewell)
    await kept.catch(() => {})
  }
  const done = kept.then(
    () => seen.close(),
    async (error: unknown) => {
      await queue.stop()
      await seen.close()
      throw error
    },
  )
  return {
    async stop(graceMs = 0) {
      told = true
      await end(graceMs)
    },
    async drain() {
      draining = true
      await queue.drain()
      drained = !told
      await end(0)
    },
    done,
    drained: () => drained,
    facts: () => ({ connection: contact, draining, slots, jobs: queue.counts(), spool: spool.usage() }),
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

function readyBackends({ backends }: AgentRecord): string {
  const ready = backends
    .filter(({ status }) => status === 'ready')
    .map(({ id, version }) => `${id} ${version ?? ''}`.trim())
  return ready.length === 0 ? 'no backend' : ready.join(', ')
}
