import { z } from 'zod'
import { canonicalJson } from './canonical-json.ts'
import { type CellRecord, cellId, cellSchema, type ExecutionRecord, executionRecordSchema } from './cell.ts'
import { type Digest, digestOf, sha256Hex } from './digest.ts'
import { BitfleetError, type ErrorCode, isBitfleetError, messageOf } from './errors.ts'
import { digestSchema } from './execution.ts'
import { isSignedBy, signatureSchema, signPayload } from './envelope.ts'
import { agentIdOf, type KeyPair, publicKeyPattern } from './keys.ts'
import { type AgentRecord, agentRecordSchema, jobInputSchema } from './messages.ts'
import { crateFile } from './run-crate.ts'
import { parseTraceBytes } from './trace.ts'
import { type ByteSource, openFileSource, readZip, type ZipFile } from './zip.ts'
import { decodeUtf8 } from './utf8.ts'

/** What one machine made of a plan, as files: in a folder while it runs, in a zip when it is closed. */
export const bundleFiles = {
  /** Names every other file with its digest; its own digest is the bundle's identity, and what a signature is over. */
  manifest: 'manifest.json',
  /** The machine's signature over the manifest. */
  signature: 'signature.json',
  plan: 'plan.yaml',
  run: 'run.json',
  agent: 'agent.json',
  cells: 'cells.json',
  crate: crateFile,
  execution: (cell: string, repetition: number) => `executions/${cell}.${repetition}.json`,
  trace: (digest: string) => `traces/${digest}.jsonl`,
  artifact: (digest: Digest) => `artifacts/${digest.slice('sha256:'.length)}`,
} as const

export const manifestSchema = z.object({
  schema: z.literal('bitfleet/bundle@1'),
  files: z.record(z.string(), digestSchema),
})

export const bundleRunSchema = z.object({
  name: z.string(),
  planDigest: digestSchema,
  /** What a reader of the report must know of how the plan was read. */
  planNotes: z.array(z.string()),
  inputs: z.array(jobInputSchema),
  createdAt: z.iso.datetime(),
  /** Missing while it runs. */
  endedAt: z.iso.datetime().optional(),
})
export type BundleRun = z.infer<typeof bundleRunSchema>

/** Who made a bundle, and that it was they: by the key of which the agent's id is made. */
export const bundleSignatureSchema = z.strictObject({
  agent: z.string(),
  key: z.string().regex(publicKeyPattern),
  /** Of the manifest, in the domain `bitfleet/bundle@1`. */
  signature: signatureSchema,
})
export type BundleSignature = z.infer<typeof bundleSignatureSchema>

/** @param manifest the bytes of `manifest.json` */
export function signManifest(manifest: Uint8Array, key: KeyPair): BundleSignature {
  const payload: unknown = JSON.parse(Buffer.from(manifest).toString('utf8'))
  const signature = signPayload('bitfleet/bundle@1', payload, key)
  return { agent: agentIdOf(key.publicKey), key: key.publicKey, signature }
}

/** What is wrong with the signature of a manifest, or undefined. */
export function manifestProblem(manifest: Uint8Array, { agent, key, signature }: BundleSignature): string | undefined {
  if (agentIdOf(key) !== agent) return `the key ${key} is not agent ${agent}'s`
  const payload: unknown = JSON.parse(Buffer.from(manifest).toString('utf8'))
  return isSignedBy(key, 'bitfleet/bundle@1', payload, signature) ? undefined : 'its signature is not of this manifest'
}

/** A closed bundle, every file of which was found to be what it claims. Bytes are read when they are asked for. */
export interface Bundle {
  readonly title: string
  /** Digest of the manifest: bundles of one identity are the same bytes in all that was signed. */
  readonly id: Digest
  readonly run: BundleRun & { readonly endedAt: string }
  readonly planText: string
  readonly agent: AgentRecord
  readonly cells: readonly CellRecord[]
  readonly executions: readonly ExecutionRecord[]
  /** Of all artifacts that it holds, users' arrays among them. */
  readonly tensors: readonly Digest[]
  /** Found to be of this manifest, and of the agent whose bundle this is. */
  readonly signature: BundleSignature
  /** The bytes of `manifest.json`, which the signature is over. */
  readonly manifest: Uint8Array
  tensor(digest: Digest): Promise<Uint8Array | undefined>
  /** @param digest bare hex @returns the file form */
  trace(digest: string): Promise<string | undefined>
}

/** What is wrong with a file of a bundle, or with the bundle itself. */
export interface Problem {
  readonly file: string
  readonly code: ErrorCode
  readonly message: string
}

/** Most that a record or a trace, and that a tensor, may have. */
export const maxRecordBytes = 64 << 20
export const maxArtifactBytes = 1 << 30

/**
 * Opens a closed bundle and checks all of it first.
 *
 * @throws the first problem that `verifyBundle` finds
 */
export async function openBundle(source: string | ByteSource): Promise<Bundle> {
  const bytes = typeof source === 'string' ? await openFileSource(source) : source
  const { bundle, problems } = await inspect(bytes)
  if (bundle !== undefined && problems.length === 0) return bundle
  const [first, ...others] = problems
  const more = others.length === 0 ? '' : ` (and ${others.length} more: \`bitfleet fsck\` lists them)`
  throw new BitfleetError(first?.code ?? 'format', `${bytes.title}: ${first?.message}${more}`)
}

/**
 * Checks a bundle without a coordinator: the container, every digest, every record, and that they fit together.
 *
 * @returns what is wrong with it, nothing where all is well
 * @throws `not-found` where there is no such file
 */
export async function verifyBundle(path: string): Promise<Problem[]> {
  return (await inspect(await openFileSource(path))).problems
}

async function inspect(source: ByteSource): Promise<{ bundle?: Bundle; problems: Problem[] }> {
  const problems: Problem[] = []
  const note = (file: string, error: unknown) => {
    const code = isBitfleetError(error) ? error.code : 'format'
    problems.push({ file, code, message: messageOf(error).replace(`${source.title}: `, '') })
  }
  let zip: ZipFile
  let manifest: z.infer<typeof manifestSchema>
  let manifestBytes: Uint8Array
  try {
    zip = await readZip(source)
    manifestBytes = await zip.read(bundleFiles.manifest, maxRecordBytes)
    manifest = parseRecord(bundleFiles.manifest, manifestBytes, manifestSchema)
  } catch (error) {
    note(source.title, error)
    return { problems }
  }

  const unsigned: string[] = [bundleFiles.manifest, bundleFiles.signature]
  for (const name of zip.names) {
    if (unsigned.includes(name) || Object.hasOwn(manifest.files, name)) continue
    note(name, new BitfleetError('format', `${name} is not in the manifest`))
  }
  const contents = new Map<string, Buffer>()
  for (const [name, digest] of Object.entries(manifest.files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    try {
      if (!fileNames.test(name)) throw new BitfleetError('format', `${name} is no file that a bundle has`)
      const isArtifact = name.startsWith('artifacts/')
      const bytes = await zip.read(name, isArtifact ? maxArtifactBytes : maxRecordBytes)
      const actual = digestOf(bytes)
      if (actual !== digest) {
        throw new BitfleetError('digest-mismatch', `${name} has the digest ${actual}, the manifest says ${digest}`)
      }
      if (!isArtifact) contents.set(name, bytes)
      else if (name !== bundleFiles.artifact(actual)) {
        throw new BitfleetError('digest-mismatch', `${name} holds bytes of ${actual}`)
      }
    } catch (error) {
      note(name, error)
    }
  }
  // What is damaged is named as such; how records fit together is asked of sound ones.
  if (problems.length > 0) return { problems }
  try {
    const parts = readParts(contents, note)
    if (problems.length > 0) return { problems }
    const signature = await readSignature(zip, manifestBytes, parts.agent.id)
    return { problems, bundle: createBundle(source, zip, manifest.files, manifestBytes, parts, signature) }
  } catch (error) {
    note(source.title, error)
    return { problems }
  }
}

/** @throws `refused` where there is none, or it is not this agent's over this manifest */
async function readSignature(zip: ZipFile, manifest: Uint8Array, agent: string): Promise<BundleSignature> {
  const { signature: name } = bundleFiles
  if (!zip.names.includes(name)) throw new BitfleetError('refused', `it is not signed: there is no ${name}`)
  const signature = parseRecord(name, await zip.read(name, maxRecordBytes), bundleSignatureSchema)
  const problem = manifestProblem(manifest, signature)
  if (problem !== undefined) throw new BitfleetError('refused', `${name}: ${problem}`)
  if (signature.agent !== agent) {
    throw new BitfleetError('refused', `${name} is of agent ${signature.agent}, the bundle of agent ${agent}`)
  }
  return signature
}

const fileNames =
  /^(plan\.yaml|run\.json|agent\.json|cells\.json|ro-crate-metadata\.json|executions\/c-[0-9a-f]{12}\.(0|[1-9]\d{0,4})\.json|traces\/[0-9a-f]{64}\.jsonl|artifacts\/[0-9a-f]{64})$/

type Parts = Pick<Bundle, 'run' | 'planText' | 'agent' | 'cells' | 'executions'>

function readParts(contents: ReadonlyMap<string, Buffer>, note: (file: string, error: unknown) => void): Parts {
  const need = (name: string): Buffer => {
    const bytes = contents.get(name)
    if (bytes === undefined) throw new BitfleetError('format', `it has no ${name}`)
    return bytes
  }
  need(bundleFiles.crate)
  const run = parseRecord(bundleFiles.run, need(bundleFiles.run), bundleRunSchema)
  const { endedAt } = run
  if (endedAt === undefined) throw new BitfleetError('format', `${bundleFiles.run} says that it has not ended`)
  const plan = need(bundleFiles.plan)
  if (digestOf(plan) !== run.planDigest) {
    throw new BitfleetError('digest-mismatch', `${bundleFiles.plan} is not the plan that ${bundleFiles.run} names`)
  }
  const agent = parseRecord(bundleFiles.agent, need(bundleFiles.agent), agentRecordSchema)
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/.test(agent.id)) {
    throw new BitfleetError('format', `${bundleFiles.agent}: "${agent.id}" is no agent's id`)
  }
  const cells = parseRecord(bundleFiles.cells, need(bundleFiles.cells), z.array(cellSchema))
  const byId = new Map(cells.map((cell) => [cell.id, cell]))
  for (const cell of cells) {
    if (cell.id === cellId(cell) && cell.agent === agent.id && byId.get(cell.id) === cell) continue
    note(bundleFiles.cells, new BitfleetError('format', `cell ${cell.id} is there twice, or is not what its id says`))
  }

  const executions: ExecutionRecord[] = []
  const traces = new Set<string>()
  for (const [name, bytes] of contents) {
    try {
      if (name.startsWith('traces/')) {
        const { digest } = parseTraceBytes(bytes)
        if (name !== bundleFiles.trace(digest)) {
          throw new BitfleetError('digest-mismatch', `${name} holds the trace ${digest}`)
        }
        traces.add(digest)
      }
      if (!name.startsWith('executions/')) continue
      const record = parseRecord(name, bytes, executionRecordSchema)
      const { cell, repetition } = record
      if (name !== bundleFiles.execution(cell, repetition) || repetition >= (byId.get(cell)?.repetitions ?? 0)) {
        throw new BitfleetError('format', `${name} is no execution of this bundle's cells`)
      }
      executions.push(record)
    } catch (error) {
      note(name, error)
    }
  }
  for (const { cell, repetition, execution } of executions) {
    if (execution.trace === undefined ? execution.outcome.status !== 'completed' : traces.has(execution.trace)) continue
    const name = bundleFiles.execution(cell, repetition)
    note(name, new BitfleetError('format', `${name} completed, and its trace is not there`))
  }
  const expected = cells.reduce((sum, { repetitions }) => sum + repetitions, 0)
  if (executions.length !== expected) {
    const fact = `${expected} executions are planned, ${executions.length} are there`
    note('executions', new BitfleetError('format', fact))
  }
  return { run: { ...run, endedAt }, planText: plan.toString('utf8'), agent, cells, executions }
}

function createBundle(
  source: ByteSource,
  zip: ZipFile,
  files: Readonly<Record<string, Digest>>,
  manifest: Uint8Array,
  parts: Parts,
  signature: BundleSignature,
): Bundle {
  const has = (name: string) => Object.hasOwn(files, name)
  const read = async (name: string, limitBytes: number) => {
    const bytes = await zip.read(name, limitBytes)
    if (digestOf(bytes) === files[name]) return bytes
    throw new BitfleetError('digest-mismatch', `${source.title}: ${name} changed while it was read`)
  }
  return {
    ...parts,
    title: source.title,
    id: digestOf(manifest),
    ...{ signature, manifest },
    tensors: Object.entries(files).flatMap(([name, digest]) => (name.startsWith('artifacts/') ? digest : [])),
    async tensor(digest) {
      const name = bundleFiles.artifact(digest)
      return has(name) ? read(name, maxArtifactBytes) : undefined
    },
    async trace(digest) {
      const name = bundleFiles.trace(digest)
      return has(name) ? (await read(name, maxRecordBytes)).toString('utf8') : undefined
    },
  }
}

/** Canonical JSON of a known shape: no two texts for one record. @throws `format` */
export function parseRecord<T>(name: string, bytes: Uint8Array, schema: z.ZodType<T>): T {
  let value: unknown
  try {
    const text = decodeUtf8(bytes)
    value = JSON.parse(text)
    if (canonicalJson(value) !== text) throw new BitfleetError('format', 'it is not in canonical form')
  } catch (cause) {
    throw new BitfleetError('format', `${name}: ${messageOf(cause)}`, { cause })
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new BitfleetError('format', `${name}: ${issue?.path.join('.')}: ${issue?.message}`)
}

/** @throws as `openBundle`, for the first that is not sound */
export async function openBundles(sources: readonly (string | ByteSource)[]): Promise<Bundle[]> {
  const bundles: Bundle[] = []
  for (const source of sources) bundles.push(await openBundle(source))
  return bundles
}

/** A short name for a set of bundles, the same in whatever order they are given. */
export function bundleSetName(ids: readonly Digest[]): string {
  return sha256Hex(...[...ids].sort()).slice(0, 12)
}
