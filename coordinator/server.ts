import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { messageOf } from '../shared/errors.ts'
import { openKeyFile } from '../shared/keys.ts'
import { agentEndpoint } from '../shared/messages.ts'
import { isLoopback } from '../shared/network/address.ts'
import { createWebSocketServer } from '../shared/transports/websocket.ts'
import { findDescription } from '../workloads/catalogue.ts'
import { createApi } from './api/index.ts'
import type { TlsFiles } from './certificate.ts'
import { type ControlFold, createControlFold, createRegistry } from './enrolment/index.ts'
import { createFleet } from './fleet.ts'
import { compareRun } from './compare/compare-run.ts'
import { createListener, type ListenerAddress } from './listener.ts'
import { assembleReport } from './report/assemble.ts'
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
  /** Left out, it serves without TLS. */
  readonly tls?: TlsFiles
  /** Addresses or networks of reverse proxies whose word is taken for where requests come from. */
  readonly proxies?: readonly string[]
  readonly log: (message: string) => void
}

export interface Coordinator {
  readonly url: string
  /** Of its key, by which agents know it. */
  readonly fingerprint: string
  readonly apiTokenFile: string
  /** Reads certificate and key again, for connections from now on. Never rejects: what is wrong with them is logged. */
  reload(): Promise<void>
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
 * @throws `conflict` if another process has the store or the port, `usage` for a certificate that cannot be used
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const storeDir = resolve(options.storeDir)
  const folds = { control: createControlFold(), people: createPeopleFold() }
  const store = await openStore(storeDir, {
    log: options.log,
    visit(record) {
      folds.control.apply(record)
      folds.people.apply(record)
    },
  })
  try {
    return await serveStore(store, folds, storeDir, options)
  } catch (error) {
    await store.close()
    throw error
  }
}

async function serveStore(
  store: Store,
  folds: { readonly control: ControlFold; readonly people: PeopleFold },
  storeDir: string,
  { host, port, hosts = [], proxies = [], tls, log }: CoordinatorOptions,
): Promise<Coordinator> {
  const apiTokenFile = join(storeDir, 'api.token')
  const software = softwareName()
  const registry = createRegistry({
    ...{ key: openKeyFile(join(storeDir, 'coordinator.key')), fold: folds.control },
    append: (body) => store.append(body),
  })
  const scheduler = createScheduler({
    ...{ store, registry, log, findDescription, coordinator: software },
    buildReport: async (data, artifacts) => assembleReport(data, await compareRun(data, artifacts), software),
  })
  await scheduler.resume()
  const listener = createListener((request, bindings) => app.fetch(request, bindings), {
    ...{ host, port, log },
    ...(tls ? { tls } : {}),
  })
  const { server } = listener
  const known = isLoopback(host) ? [host, ...hosts] : hosts
  const people = createPeople({
    ...{ fold: folds.people, apiToken: await ensureToken(apiTokenFile) },
    append: async (body) => void (await store.append(body)),
  })
  const services = { store, scheduler, people, fleet: createFleet(registry, scheduler, store), software }
  const app = createApi(services, {
    ...{ log, proxies },
    loopback: isLoopback(host),
    hosts: known.length === 0 ? [] : [...known, ...listener.names],
  })
  app.route('/', createWeb(services, { log }))

  const lines = createWebSocketServer()
  lines.attach(server, agentEndpoint, (connection) => void scheduler.serve(connection))
  const addressFile = join(storeDir, addressFileName)
  const announce = (address: ListenerAddress) =>
    writePrivate(addressFile, `${JSON.stringify({ ...address, pid: process.pid })}\n`)
  const address = await listener.listen()
  await announce(address)

  let stopping: Promise<void> | undefined
  const stop = async () => {
    await rm(addressFile, { force: true })
    server.close()
    // Results on their way are taken before the store closes.
    await scheduler.stop()
    lines.close('the coordinator is stopping')
    listener.closeConnections()
    await store.close()
  }
  return {
    ...{ url: address.url, fingerprint: registry.fingerprint, apiTokenFile, lacksAdmin: !people.hasAdmin() },
    async reload() {
      if (tls === undefined || stopping) return
      try {
        await announce(listener.reload())
        log(`read ${tls.certFile} and ${tls.keyFile} again`)
      } catch (error) {
        log(`the old certificate stays in force: ${messageOf(error)}`)
      }
    },
    stop: () => (stopping ??= stop()),
  }
}
