import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestOf, isDigest, type Digest } from '../../shared/digest.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { parseTrace } from '../../shared/trace.ts'
import { parseReport } from '../report/read-report.ts'
import { createContentFiles } from './content-files.ts'
import { journalPath } from './file-store.ts'
import { type JournalRecord, readJournal } from './journal.ts'
import { type AgentKeys, createAgentKeys, importProblem, signatureProblem } from './check-signatures.ts'
import { formatRecord, parseRecord, type StoredRecord } from './records.ts'

/** Something wrong with a file, and what to do. */
export interface FileProblem {
  readonly file: string
  readonly what: string
  readonly remedy: string
}

export interface FilesCheck {
  /** What was read and recomputed. */
  readonly checked: {
    readonly journal: number
    readonly records: number
    readonly objects: number
    readonly traces: number
    readonly bytes: number
  }
  readonly problems: readonly FileProblem[]
  /** Harmless things worth knowing. */
  readonly notes: readonly string[]
}

/**
 * Reads every file of a store that counts and recomputes what can be: the journal's chain, the digest of every record
 * and object, the prefix digests of every trace, every signature, and that all that the journal names is there. Changes nothing, and may
 * run beside a coordinator. `db/` is an index and is not looked at.
 *
 * @throws `not-found` if this is no store
 */
export async function checkFiles(dir: string): Promise<FilesCheck> {
  const problems: FileProblem[] = []
  const notes: string[] = []
  const checked = { journal: 0, records: 0, objects: 0, traces: 0, bytes: 0 }
  const journal = journalPath(dir)
  const isStore = await stat(dir).then(
    async (found) => found.isDirectory() && (await readdir(dir)).some((name) => ['journal', 'records'].includes(name)),
    () => false,
  )
  if (!isStore) throw new BitfleetError('not-found', `${dir} is no store of Bitfleet; name one with --store`)
  const records = createContentFiles(join(dir, 'records'), dir)
  const objects = createContentFiles(join(dir, 'objects'), dir)

  /** What has to be there, and what for. */
  const named = { records: new Map<Digest, string>(), objects: new Map<Digest, string>() }
  const traces = new Map<Digest, string>()
  const reports = new Map<Digest, string>()
  const keys = createAgentKeys()
  const imports: Extract<JournalRecord, { kind: 'import' }>[] = []
  const note = ({ record }: { record: JournalRecord }) => {
    checked.journal++
    keys.note(record)
    if (record.kind === 'agent') named.records.set(record.record, `agent ${record.agent}`)
    if (record.kind === 'run') named.records.set(record.record, `run ${record.run}`)
    if (record.kind === 'execution') named.records.set(record.record, `an execution of run ${record.run}`)
    if (record.kind === 'import') imports.push(record)
    if (record.kind === 'result-quarantined') named.records.set(record.record, `a result of agent ${record.agent}`)
    if (record.kind === 'report') reports.set(record.report, `the report of run ${record.run}`)
  }
  await readJournal(journal, note).catch((error: unknown) => {
    problems.push({
      ...{ file: journal, what: messageOf(error) },
      remedy: 'restore the journal from a copy; the records and objects stay as they are',
    })
  })
  // A journal that breaks off names but a part of what belongs to the store.
  const chainHolds = problems.length === 0
  for (const name of await readdir(dirname(journal)).catch(() => [])) {
    if (name.includes('.torn-')) notes.push(`${join(dirname(journal), name)} holds a record that a crash cut short`)
  }

  /** Digest of a file's bytes, in bounded memory. */
  const verify = async (path: string, name: string, remedy: string): Promise<boolean> => {
    const hash = createHash('sha256')
    try {
      for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
        checked.bytes += chunk.length
        hash.update(chunk)
      }
    } catch (error) {
      problems.push({ file: path, what: `cannot be read: ${messageOf(error)}`, remedy })
      return false
    }
    const actual = `sha256:${hash.digest('hex')}`
    if (actual === name) return true
    const what = isDigest(name) ? `its content has the digest ${actual}` : 'its name is no digest'
    problems.push({ file: path, what, remedy })
    return false
  }

  const found = { records: new Set<string>(), objects: new Set<string>() }
  const remedies = {
    records:
      'restore the file from a copy, or remove it and run `bitfleet reindex`: an execution then counts as not made',
    objects: 'restore the file from a copy, or remove it: tensors are fetched again from the agents that keep them',
  }
  for await (const { path, name } of records.list()) {
    checked.records++
    found.records.add(name)
    if (!(await verify(path, name, remedies.records))) continue
    const record = await readRecord(path, keys)
    if (typeof record === 'string') {
      problems.push({ file: path, what: record, remedy: remedies.records })
      continue
    }
    if (chainHolds && !named.records.has(name as Digest) && record.record !== 'cells@1') {
      notes.push(
        `${path} is a record that the journal does not name: a crash came between the two, nobody relies on it`,
      )
      continue
    }
    if (record.record === 'run@1') {
      named.records.set(record.cells, `the cells of run ${record.run.id}`)
      for (const { digest } of record.run.inputs) named.objects.set(digest, `an input of run ${record.run.id}`)
    }
    if (record.record === 'execution@1' && record.trace !== undefined && record.execution.execution.trace !== undefined)
      traces.set(record.trace, record.execution.execution.trace)
  }
  for (const digest of traces.keys()) named.objects.set(digest, 'a trace')
  for (const [digest, what] of reports) named.objects.set(digest, what)
  for (const { manifest, signature, agent } of imports) {
    named.objects.set(manifest, `the manifest of a bundle of agent ${agent}`)
    named.objects.set(signature, `the signature of a bundle of agent ${agent}`)
  }
  for await (const { path, name } of objects.list()) {
    checked.objects++
    found.objects.add(name)
    await verify(path, name, remedies.objects)
  }
  for (const kind of ['records', 'objects'] as const) {
    const files = kind === 'records' ? records : objects
    for (const [digest, what] of named[kind]) {
      if (found[kind].has(digest)) continue
      problems.push({ file: files.pathOf(digest), what: `is not there; it is ${what}`, remedy: remedies[kind] })
    }
  }
  const damaged = new Set(problems.map(({ file }) => file))
  for (const [digest, expected] of traces) {
    const path = objects.pathOf(digest)
    if (damaged.has(path)) continue
    checked.traces++
    const what = traceProblem(await readFile(path, 'utf8'), expected)
    if (what) problems.push({ file: path, what, remedy: remedies.objects })
  }
  for (const [digest, whose] of reports) {
    const path = objects.pathOf(digest)
    if (damaged.has(path)) continue
    try {
      parseReport(JSON.parse(await readFile(path, 'utf8')))
    } catch (error) {
      problems.push({ file: path, what: `is ${whose}, and ${messageOf(error)}`, remedy: remedies.objects })
    }
  }
  for (const { manifest, signature, agent } of imports) {
    const [path, signed] = [objects.pathOf(manifest), objects.pathOf(signature)]
    if (damaged.has(path) || damaged.has(signed)) continue
    const what = importProblem(await readFile(path), await readFile(signed), agent)
    if (what) problems.push({ file: signed, what, remedy: remedies.objects })
  }
  return { checked, problems, notes }
}

/** Whose digest holds; a text says what else is wrong with it. */
async function readRecord(path: string, keys: AgentKeys): Promise<StoredRecord | string> {
  try {
    const bytes = await readFile(path)
    const record = parseRecord(bytes)
    if (digestOf(formatRecord(record)) !== digestOf(bytes)) return 'is not in canonical form'
    return signatureProblem(record, keys) ?? record
  } catch (error) {
    return messageOf(error)
  }
}

/** Every prefix digest is computed again; the last one has to be what the execution says. */
function traceProblem(text: string, expected: string): string | undefined {
  try {
    const { digest } = parseTrace(text)
    return digest === expected ? undefined : `is a trace of digest ${digest}, and its execution says ${expected}`
  } catch (error) {
    return messageOf(error)
  }
}
