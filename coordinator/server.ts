import { createAdaptorServer } from '@hono/node-server'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { BitfleetError, messageOf } from '../shared/errors.ts'
import { openKeyFile } from '../shared/keys.ts'
import { agentEndpoint } from '../shared/messages.ts'
import { webSocketTransport } from '../shared/transports/websocket.ts'
import { findDescription } from '../workloads/catalogue.ts'
import { createApi } from './api/index.ts'
import { type ControlFold, createControlFold, createRegistry } from './enrolment/index.ts'
import { createFleet } from './fleet.ts'
import { compareRun } from './compare/compare-run.ts'
import { assembleReport } from './report/assemble.ts'
import { createScheduler } from './scheduler/index.ts'
import { ensureToken, writePrivate } from './secret-files.ts'
import { softwareName } from './software.ts'
import { openStore, type Store } from './store/index.ts'
import { createWeb } from './web/index.tsx'

export interface CoordinatorOptions {
  readonly storeDir: string
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Names besides loopback's that requests may call it by. */
  readonly hosts?: readonly string[]
  readonly log: (message: string) => void
}

export interface Coordinator {
  readonly url: string
  /** Of its key, by which agents know it. */
  readonly fingerprint: string
  readonly apiTokenFile: string
  /** Ends lines and requests, and closes the store. Idempotent. */
  stop(): Promise<void>
}

/** What a client on this machine finds a coordinator by, in its store. */
export const addressFileName = 'coordinator.json'

/**
 * Starts a coordinator: store, API and pages, the agents' endpoint.
 *
 * @throws `conflict` if another process has the store or the port
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const storeDir = resolve(options.storeDir)
  const fold = createControlFold()
  const store = await openStore(storeDir, { log: options.log, visit: (record) => fold.apply(record) })
  try {
    return await serveStore(store, fold, storeDir, options)
  } catch (error) {
    await store.close()
    throw error
  }
}

async function serveStore(
  store: Store,
  fold: ControlFold,
  storeDir: string,
  { host, port, hosts = [], log }: CoordinatorOptions,
): Promise<Coordinator> {
  const apiTokenFile = join(storeDir, 'api.token')
  const software = softwareName()
  const registry = createRegistry({
    ...{ key: openKeyFile(join(storeDir, 'coordinator.key')), fold },
    append: (body) => store.append(body),
  })
  const scheduler = createScheduler({
    ...{ store, registry, log, findDescription, coordinator: software },
    buildReport: async (data, artifacts) => assembleReport(data, await compareRun(data, artifacts), software),
  })
  await scheduler.resume()
  const services = { store, scheduler, fleet: createFleet(registry, scheduler, store), software }
  const app = createApi(services, {
    ...{ apiToken: await ensureToken(apiTokenFile), log },
    loopback: isLoopback(host),
    hosts: isLoopback(host) ? [host, ...hosts] : hosts,
  })
  app.route('/', createWeb(services))

  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  const lines = webSocketTransport.createServer()
  lines.attach(server, agentEndpoint, (connection) => void scheduler.serve(connection))
  const url = await listen(server, host, port)
  const addressFile = join(storeDir, addressFileName)
  await writePrivate(addressFile, `${JSON.stringify({ url, pid: process.pid })}\n`)

  let stopping: Promise<void> | undefined
  const stop = async () => {
    await rm(addressFile, { force: true })
    server.close()
    // Results on their way are taken before the store closes.
    await scheduler.stop()
    lines.close('the coordinator is stopping')
    server.closeAllConnections()
    await store.close()
  }
  return {
    ...{ url, fingerprint: registry.fingerprint, apiTokenFile },
    stop: () => (stopping ??= stop()),
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new BitfleetError(
        'conflict',
        `${host}:${port} is taken; choose another with --port, or --port 0 for a free one`,
      )
    }
    throw new BitfleetError('system', `cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error })
  }
  const { address, port: taken } = server.address() as AddressInfo
  // Bound to every address, it is reached from here by loopback.
  const name = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
  return `http://${isIP(name) === 6 ? `[${name}]` : name}:${taken}`
}
