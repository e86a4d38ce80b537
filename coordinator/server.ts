import { createAdaptorServer } from '@hono/node-server'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { BitfleetError, messageOf } from '../shared/errors.ts'
import { agentEndpoint } from '../shared/messages.ts'
import { webSocketTransport } from '../shared/transports/websocket.ts'
import { findDescription } from '../workloads/catalogue.ts'
import { createApi } from './api/index.ts'
import { compareRun } from './compare/compare-run.ts'
import { assembleReport } from './report/assemble.ts'
import { createOpenFleet } from './fleet.ts'
import { createPeople, createPeopleFold, type PeopleFold } from './people/index.ts'
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
  /** Addresses or networks of reverse proxies whose word is taken for where requests come from. */
  readonly proxies?: readonly string[]
  readonly log: (message: string) => void
}

export interface Coordinator {
  readonly url: string
  readonly agentTokenFile: string
  readonly apiTokenFile: string
  /** Nobody can sign in as admin yet. */
  readonly lacksAdmin: boolean
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
  const fold = createPeopleFold()
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
  fold: PeopleFold,
  storeDir: string,
  { host, port, hosts = [], proxies = [], log }: CoordinatorOptions,
): Promise<Coordinator> {
  const [agentTokenFile, apiTokenFile] = [join(storeDir, 'agent.token'), join(storeDir, 'api.token')]
  const software = softwareName()
  const scheduler = createScheduler({
    ...{ store, log, findDescription, coordinator: software, token: await ensureToken(agentTokenFile) },
    buildReport: async (data, artifacts) => assembleReport(data, await compareRun(data, artifacts), software),
  })
  await scheduler.resume()
  const people = createPeople({ fold, append: (body) => store.append(body), apiToken: await ensureToken(apiTokenFile) })
  const services = { store, scheduler, software, people, fleet: createOpenFleet(store, scheduler) }
  const app = createApi(services, {
    ...{ log, proxies },
    loopback: isLoopback(host),
    hosts: isLoopback(host) ? [host, ...hosts] : hosts,
  })
  app.route('/', createWeb(services, { log }))

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
    ...{ url, agentTokenFile, apiTokenFile, lacksAdmin: !people.hasAdmin() },
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
