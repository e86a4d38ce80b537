import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type BundleRun,
  bundleFiles,
  bundleRunSchema,
  maxArtifactBytes,
  parseRecord,
  signManifest,
  verifyBundle,
} from '../../shared/bundle.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { CellRecord, ExecutionRecord } from '../../shared/cell.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { KeyPair } from '../../shared/keys.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import { type CrateFile, describeFile, formatRunCrate } from '../../shared/run-crate.ts'
import { maxZipBytes, maxZipEntries, writeZip } from '../../shared/zip.ts'
import { clearScratch } from '../daemon/scratch.ts'
import type { ArtifactCache } from '../daemon/artifact-cache.ts'

/** What a bundle is made of before anything has run. */
export interface BundleStart {
  readonly name: string
  readonly planText: string
  readonly planNotes: readonly string[]
  readonly inputs: BundleRun['inputs']
  readonly payloads: ReadonlyMap<Digest, Uint8Array>
  readonly agent: AgentRecord
  readonly cells: readonly CellRecord[]
}

/** A bundle while it is made: a folder whose files are each whole and on disk, or not there. */
export interface BundleFolder {
  /** Below the folder, on its file system; emptied whenever the folder is opened. */
  readonly scratch: string
  /** Tensors go straight into the bundle. When it is full, what comes is let go, and `has` says so. */
  readonly artifacts: ArtifactCache
  has(cell: string, repetition: number): boolean
  /** Resolved: on disk, and never made again. */
  record(record: ExecutionRecord, traceText?: string): Promise<void>
  /** Packs all into a zip at `out`, which is there whole or not at all, and removes the folder. */
  close(out: string, key: KeyPair): Promise<void>
}

/** Left for what is not tensors: records, metadata, the zip's directory. */
const reservedBytes = 512 << 20

/**
 * Begins a bundle, or goes on with what an earlier process left of it.
 *
 * @throws `conflict` where the folder holds another plan's or machine's bundle, or this machine has changed since
 */
export async function openBundleFolder(folder: string, start: BundleStart): Promise<BundleFolder> {
  const executions = start.cells.reduce((sum, { repetitions }) => sum + repetitions, 0)
  // Each may bring a trace of its own.
  const spareEntries = maxZipEntries - 2 * executions - 16
  if (spareEntries < 0) {
    throw new BitfleetError('limit', `${executions} executions are more than one bundle holds; split the plan`)
  }
  const scratch = join(folder, 'scratch')
  const left = clearScratch(scratch)
  if (left !== undefined) {
    throw new BitfleetError('system', `${scratch}, of an earlier run, cannot be removed (${left}); remove it yourself`)
  }
  mkdirSync(scratch, { recursive: true, mode: 0o700 })
  const path = (name: string) => join(folder, name)
  let drafts = 0

  const write = async (name: string, content: Uint8Array | string) => {
    const draft = join(scratch, `draft-${drafts++}`)
    const file = await open(draft, 'wx', 0o644)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await place(draft, path(name))
  }
  const list = (name: string) => (existsSync(path(name)) ? readdirSync(path(name)) : [])

  const held = new Map<string, number>(list('artifacts').map((hex) => [hex, statSync(path(`artifacts/${hex}`)).size]))
  let usedBytes = [...held.values()].reduce((sum, bytes) => sum + bytes, 0)
  const hexOf = (digest: Digest) => digest.slice('sha256:'.length)
  const fits = (bytes: number) =>
    bytes <= maxArtifactBytes && usedBytes + bytes <= maxZipBytes - reservedBytes && held.size < spareEntries
  const hold = (digest: Digest, bytes: number) => {
    held.set(hexOf(digest), bytes)
    usedBytes += bytes
  }

  const artifacts: ArtifactCache = {
    async adopt(file, digest, bytes) {
      if (held.has(hexOf(digest)) || !fits(bytes)) return rm(file, { force: true })
      hold(digest, bytes)
      const draft = await open(file, 'r')
      try {
        await draft.sync()
      } finally {
        await draft.close()
      }
      await place(file, path(bundleFiles.artifact(digest)))
    },
    async put(bytes) {
      const digest = digestOf(bytes)
      if (held.has(hexOf(digest)) || !fits(bytes.byteLength)) return digest
      await write(bundleFiles.artifact(digest), bytes)
      hold(digest, bytes.byteLength)
      return digest
    },
    async read(digest) {
      const bytes = await readFile(path(bundleFiles.artifact(digest))).catch(() => undefined)
      return bytes !== undefined && digestOf(bytes) === digest ? new Uint8Array(bytes) : undefined
    },
    has: (digest) => held.has(hexOf(digest)),
    get usedBytes() {
      return usedBytes
    },
  }

  if (existsSync(path(bundleFiles.run))) await checkSame(folder, start)
  else {
    await write(bundleFiles.plan, start.planText)
    await write(bundleFiles.agent, canonicalJson(start.agent))
    await write(bundleFiles.cells, canonicalJson(start.cells))
    for (const [digest, bytes] of start.payloads) {
      await artifacts.put(bytes)
      if (artifacts.has(digest)) continue
      throw new BitfleetError(
        'limit',
        `the plan's array ${digest} has ${bytes.byteLength} bytes, more than fits a bundle`,
      )
    }
    const { name, planNotes, inputs } = start
    const createdAt = new Date().toISOString()
    // Last: it says that the others are there.
    await write(
      bundleFiles.run,
      canonicalJson({ name, planDigest: digestOf(start.planText), planNotes, inputs, createdAt }),
    )
  }
  const recorded = new Set(list('executions'))

  const finish = async (key: KeyPair) => {
    const run = await readRun(folder)
    // Said once: packed again after a crash, the bundle has the same bytes.
    if (run.endedAt === undefined) {
      await write(bundleFiles.run, canonicalJson({ ...run, endedAt: new Date().toISOString() }))
    }
    const { createdAt, endedAt = createdAt, name, inputs } = await readRun(folder)
    const agent = JSON.parse(await readFile(path(bundleFiles.agent), 'utf8')) as AgentRecord
    const names = [
      ...[bundleFiles.plan, bundleFiles.run, bundleFiles.agent, bundleFiles.cells],
      ...['executions', 'traces', 'artifacts'].flatMap((part) => list(part).map((file) => `${part}/${file}`)),
    ].sort()
    const files: CrateFile[] = []
    for (const file of names) files.push(describeFile(file, await readFile(path(file))))
    const crate = Buffer.from(
      formatRunCrate({
        ...{ name, planFile: bundleFiles.plan, startedAt: createdAt, endedAt, agent, files },
        inputFiles: inputs.map(({ digest }) => bundleFiles.artifact(digest)),
      }),
    )
    const listed = [...files, describeFile(bundleFiles.crate, crate)]
    const manifest = Buffer.from(
      canonicalJson({
        schema: 'bitfleet/bundle@1',
        files: Object.fromEntries(listed.map((file) => [file.name, `sha256:${file.sha256}`])),
      }),
    )
    const made = [
      { name: bundleFiles.crate, content: async () => crate },
      { name: bundleFiles.manifest, content: async () => manifest },
      { name: bundleFiles.signature, content: async () => Buffer.from(canonicalJson(signManifest(manifest, key))) },
    ]
    return [...names.map((file) => ({ name: file, content: () => readFile(path(file)) })), ...made]
  }

  return {
    scratch,
    artifacts,
    has: (cell, repetition) => recorded.has(`${cell}.${repetition}.json`),
    async record(record, traceText) {
      const { cell, repetition, execution } = record
      if (execution.trace !== undefined && traceText !== undefined) {
        await write(bundleFiles.trace(execution.trace), traceText)
      }
      await write(bundleFiles.execution(cell, repetition), canonicalJson(record))
      recorded.add(`${cell}.${repetition}.json`)
    },
    async close(out, key) {
      const sources = await finish(key)
      const draft = join(scratch, 'bundle.zip')
      await writeZip(draft, sources)
      // The folder goes only once what it became was read back.
      const [problem] = await verifyBundle(draft)
      if (problem !== undefined) throw new BitfleetError(problem.code, `${folder} makes no bundle: ${problem.message}`)
      await place(draft, out)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Gives a file that is on disk its name, on disk too. */
async function place(draft: string, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  await rename(draft, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function readRun(folder: string): Promise<BundleRun> {
  return parseRecord(bundleFiles.run, await readFile(join(folder, bundleFiles.run)), bundleRunSchema)
}

/** Half a bundle is gone on with only by the machine that began it, as it was, and with the same plan. */
async function checkSame(folder: string, { planText, agent, cells }: BundleStart): Promise<void> {
  const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as unknown
  const refuse = (fact: string) =>
    new BitfleetError('conflict', `${folder} holds a run that was interrupted, and ${fact}; choose another --out`)
  const { planDigest } = await readRun(folder)
  if (planDigest !== digestOf(planText)) throw refuse('it is of another plan')
  const begun = (await read(bundleFiles.agent)) as AgentRecord
  if (begun.id !== agent.id) throw refuse(`it is of agent ${begun.name} (${begun.id})`)
  const changed = changedFact(begun, agent)
  if (changed !== undefined) throw refuse(`this machine has changed since: ${changed}`)
  if (canonicalJson(await read(bundleFiles.cells)) !== canonicalJson(cells)) {
    throw refuse('this version of Bitfleet reads the plan as other cells')
  }
}

function changedFact(before: AgentRecord, now: AgentRecord): string | undefined {
  for (const fact of new Set([...Object.keys(before.facts), ...Object.keys(now.facts)])) {
    const [was, is] = [before.facts[fact], now.facts[fact]]
    if (was !== is) return `${fact} was ${was ?? 'not there'} and is ${is ?? 'not there'}`
  }
  const backends = (agent: AgentRecord) => canonicalJson(agent.backends)
  return backends(before) === backends(now) ? undefined : 'its backends are not the same'
}
