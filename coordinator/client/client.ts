import { createHash } from 'node:crypto'
import { createReadStream, openAsBlob } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError, errorCodes, messageOf } from '../../shared/errors.ts'
import { parseAddress } from '../../shared/network/address.ts'
import { createNetwork, createPinnedNetwork, type Network } from '../../shared/network/network.ts'
import { withAuthority } from '../../shared/network/settings.ts'
import type { ImportedRun } from '../bundle/import.ts'
import { readConfig } from '../config.ts'
import type { PlanArray } from '../plan/index.ts'
import type { Artifacts } from '../records.ts'
import type { Report } from '../report/format.ts'
import { parseReport } from '../report/read-report.ts'
import type { RunEvent } from '../scheduler/index.ts'
import { followEvents } from './event-stream.ts'
import { type ClientRequest, createHttp, type Response } from './http.ts'

export interface ConnectOptions {
  /** Left out: `BITFLEET_URL`, else the coordinator on this machine. */
  readonly url?: string
  /** Store of a coordinator on this machine. */
  readonly storeDir?: string
  /** Left out: `BITFLEET_API_TOKEN_FILE`, else the token in the store of the coordinator on this machine. */
  readonly tokenFile?: string
  /** Left out: `BITFLEET_CA_FILE`. Certificates, in PEM, that are trusted besides the system's. */
  readonly caFile?: string
}

export interface Submission {
  readonly plan: string
  /** For messages about the plan. */
  readonly fileName?: string
  readonly name?: string
  readonly inputs: readonly PlanArray[]
  /** The bytes of the inputs, uploaded first. */
  readonly payloads: ReadonlyMap<Digest, Uint8Array>
}

export interface ConnectedAgent {
  readonly id: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

export interface RunListing {
  readonly id: string
  readonly name: string
  readonly state: string
}

export interface RunStatus extends RunListing {
  /** Left out by a coordinator of version 0.1. */
  readonly planDigest?: string | undefined
  readonly failure?: string | undefined
  readonly notes: readonly string[]
}

/** A coordinator over HTTP. Every call throws the coordinator's own error, or `unavailable`. */
export interface CoordinatorClient {
  readonly url: string
  /** Anything of the API that has no call of its own here. */
  request(path: string, init?: ClientRequest): Promise<Response>
  /** The same for an answer in JSON of a form. @throws `protocol` for one of another */
  read<T>(path: string, schema: z.ZodType<T>, init?: ClientRequest): Promise<T>
  /** Agents connected now. */
  listAgents(): Promise<ConnectedAgent[]>
  /** @returns the run's id */
  submitRun(submission: Submission): Promise<string>
  /** Uploads bundle files and has them made into runs. */
  importBundles(files: readonly string[]): Promise<ImportedRun[]>
  listRuns(): Promise<RunListing[]>
  getRun(run: string): Promise<RunStatus>
  cancelRun(run: string): Promise<void>
  /** Events from the first that is still known, over broken connections, until the run has ended or it is aborted. */
  watchRun(run: string, signal?: AbortSignal): AsyncIterable<RunEvent>
  getReport(run: string): Promise<Report>
  /** The report of a run that has not ended: of what has been computed so far. */
  getInterimReport(run: string): Promise<Report>
  getArtifact(run: string, digest: Digest): Promise<Uint8Array | undefined>
  /** A run's bytes, as the exports take them. */
  artifacts(run: string): Artifacts
}

const errorSchema = z.object({ error: z.object({ code: z.enum(errorCodes), message: z.string() }) })
const agentsSchema = z.object({
  agents: z.array(
    z.object({ id: z.string(), name: z.string(), labels: z.record(z.string(), z.string()), connected: z.boolean() }),
  ),
})
const runListingSchema = z.object({ id: z.string(), name: z.string(), state: z.string() })
const listingSchema = z.object({ runs: z.array(runListingSchema) })
const statusSchema = runListingSchema.extend({
  planDigest: z.string().optional(),
  failure: z.string().optional(),
  notes: z.array(z.string()),
})

const importsSchema = z.object({
  runs: z.array(
    z.object({
      run: z.string(),
      name: z.string(),
      agents: z.array(z.string()),
      executions: z.number(),
      imported: z.boolean(),
    }),
  ),
})

/** @throws `unavailable` where no coordinator is to be found; `refused` where its token cannot be read */
export async function connectCoordinator(options: ConnectOptions = {}): Promise<CoordinatorClient> {
  const { url, token, network } = await findCoordinator(options)
  const http = createHttp(network)
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` }

  const request = async (path: string, init: ClientRequest = {}): Promise<Response> => {
    const response = await http(`${url}${path}`, { ...init, headers: { ...headers, ...init.headers } })
    if (response.ok) return response
    const text = await response.text()
    const said = errorSchema.safeParse(parseJson(text)).data?.error
    if (said) throw new BitfleetError(said.code, said.message)
    throw new BitfleetError(
      'protocol',
      `${url} answered ${response.status} ${response.statusText}: is it a Bitfleet coordinator?`,
    )
  }
  const read = async <T>(path: string, schema: z.ZodType<T>, init?: ClientRequest): Promise<T> => {
    const value = parseJson(await (await request(path, init)).text())
    const result = schema.safeParse(value)
    if (result.success) return result.data
    const issue = result.error.issues[0]
    throw new BitfleetError(
      'protocol',
      `${url}${path} answered something else: ${issue?.path.join('.')}: ${issue?.message}`,
    )
  }
  const optional = (error: unknown): undefined => {
    if (error instanceof BitfleetError && error.code === 'not-found') return undefined
    throw error
  }
  const at = (run: string) => `/api/runs/${encodeURIComponent(run)}`

  const getArtifact = async (run: string, digest: Digest): Promise<Uint8Array | undefined> => {
    const response = await request(`${at(run)}/artifacts/${digest}`).catch(optional)
    return response && new Uint8Array(await response.arrayBuffer())
  }

  return {
    ...{ url, request, read },
    async listAgents() {
      const { agents } = await read('/api/agents', agentsSchema)
      return agents.filter(({ connected }) => connected)
    },
    async submitRun({ plan, fileName, name, inputs, payloads }) {
      for (const [digest, bytes] of payloads) {
        await request(`/api/artifacts/${digest}`, {
          ...{ method: 'PUT', body: bytes as ClientRequest['body'] },
          headers: { 'Content-Type': 'application/octet-stream' },
        })
      }
      const { id } = await read('/api/runs', statusSchema, {
        method: 'POST',
        body: JSON.stringify({ plan, fileName, name, inputs }),
        headers: { 'Content-Type': 'application/json' },
      })
      return id
    },
    async importBundles(files) {
      const bundles: { digest: string; title: string }[] = []
      for (const file of files) {
        const hash = createHash('sha256')
        for await (const piece of createReadStream(file)) hash.update(piece as Uint8Array)
        const digest = `sha256:${hash.digest('hex')}`
        await request(`/api/artifacts/${digest}`, {
          ...{ method: 'PUT', body: await openAsBlob(file) },
          headers: { 'Content-Type': 'application/octet-stream' },
        })
        bundles.push({ digest, title: basename(file) })
      }
      const { runs } = await read('/api/imports', importsSchema, {
        method: 'POST',
        body: JSON.stringify({ bundles }),
        headers: { 'Content-Type': 'application/json' },
      })
      return runs
    },
    listRuns: async () => (await read('/api/runs', listingSchema)).runs,
    getRun: (run) => read(at(run), statusSchema),
    async cancelRun(run) {
      await request(`${at(run)}/cancel`, { method: 'POST' })
    },
    watchRun: (run, signal) =>
      followEvents((init) => request(`${at(run)}/events`, { ...init, signal: signal ?? null }), signal),
    getReport: async (run) => parseReport(await read(`${at(run)}/report.json`, z.unknown())),
    getInterimReport: async (run) => parseReport(await read(`${at(run)}/interim-report.json`, z.unknown())),
    getArtifact,
    artifacts: (run) => ({
      tensor: (digest) => getArtifact(run, digest),
      async trace(digest) {
        const response = await request(`/api/traces/${digest}`).catch(optional)
        return response?.text()
      },
    }),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a coordinator leaves in its store for clients on its machine, `ListenerAddress` among it. */
const addressSchema = z.object({
  url: z.string(),
  pid: z.number(),
  at: z.string().optional(),
  certificate: z.string().optional(),
})

async function findCoordinator(options: ConnectOptions): Promise<{ url: string; token?: string; network: Network }> {
  const config = readConfig()
  const storeDir = resolve(options.storeDir ?? config.storeDir)
  const given = options.url ?? (options.storeDir === undefined ? config.url : undefined)
  const addressFile = join(storeDir, 'coordinator.json')
  const address = addressSchema.safeParse(parseJson(await readFile(addressFile, 'utf8').catch(() => ''))).data
  const url = (given ?? address?.url)?.replace(/\/+$/, '')
  if (url === undefined) {
    throw new BitfleetError(
      'unavailable',
      `no coordinator runs on the store ${storeDir}; start one with \`bitfleet coordinator\`, or name another's address with --url`,
    )
  }
  if (!/^https?:$/.test(parseAddress(url).protocol)) {
    throw new BitfleetError('usage', `"${url}" is not the address of a coordinator, such as http://127.0.0.1:7575`)
  }
  const isOwn = url === address?.url
  // Whoever wrote that file made the store: its word on which certificate is its own, and where it listens, is as good
  // as the token beside it. It holds for that very address alone.
  const network =
    isOwn && address.certificate !== undefined && address.at !== undefined && options.caFile === undefined
      ? createPinnedNetwork(address.certificate, address.at)
      : createNetwork(withAuthority(config.network, options.caFile))
  // The token of this machine's coordinator goes to no other.
  const own = isOwn ? join(storeDir, 'api.token') : undefined
  const tokenFile = options.tokenFile ?? (options.storeDir === undefined ? config.apiTokenFile : undefined) ?? own
  if (tokenFile === undefined) return { url, network }
  const token = await readFile(tokenFile, 'utf8').catch((cause: unknown) => {
    throw new BitfleetError('refused', `cannot read the API token ${tokenFile}: ${messageOf(cause)}`, { cause })
  })
  return { url, token: token.trim(), network }
}
