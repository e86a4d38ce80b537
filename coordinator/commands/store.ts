import { stat } from 'node:fs/promises'
import { BitfleetError } from '../../shared/errors.ts'
import { readConfig } from '../config.ts'
import { visibleLine } from '../../shared/visible.ts'
import { auditLine } from '../audit.ts'
import { checkFiles, journalPath, readJournal, reindexStore } from '../store/index.ts'

export interface StoreCommandOptions {
  readonly store?: string
  readonly json?: boolean
}

const storeOf = ({ store }: StoreCommandOptions) => store ?? readConfig().storeDir

async function existing(dir: string): Promise<string> {
  if (await stat(journalPath(dir)).catch(() => undefined)) return dir
  throw new BitfleetError('not-found', `${dir} has no journal; name a coordinator's store with --store`)
}

/** `bitfleet reindex`: the database made again from the files. */
export async function reindex(options: StoreCommandOptions): Promise<number> {
  const dir = await existing(storeOf(options))
  const made = await reindexStore(dir, (message) => process.stderr.write(`${visibleLine(message)}\n`))
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ store: dir, ...made })}\n`
      : `${dir}: index made again from ${made.journal} journal records: ${made.runs} runs, ${made.agents} agents\n`,
  )
  return 0
}

/** `bitfleet fsck`: every file read and recomputed; 0 sound, 1 damaged. */
export async function fsck(path: string | undefined, options: StoreCommandOptions): Promise<number> {
  const dir = path ?? storeOf(options)
  const { checked, problems, notes } = await checkFiles(dir)
  const sound = problems.length === 0
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ path: dir, sound, checked, problems, notes })}\n`)
    return sound ? 0 : 1
  }
  for (const note of notes) process.stderr.write(`note: ${visibleLine(note)}\n`)
  for (const { file, what, remedy } of problems) {
    process.stdout.write(`${visibleLine(`${file}: ${what}`)}\n  ${remedy}\n`)
  }
  const { journal, records, objects, traces, bytes } = checked
  process.stdout.write(
    `${journal} journal records, ${records} records, ${objects} objects, ${traces} traces (${bytes} bytes): ` +
      `${sound ? 'all sound' : `${problems.length} damaged`}\n`,
  )
  return sound ? 0 : 1
}

export interface AuditOptions extends StoreCommandOptions {
  readonly all?: boolean
}

/** `bitfleet audit`: who did what, and when. Results of agents are left out unless asked for. */
export async function audit(options: AuditOptions): Promise<number> {
  const dir = await existing(storeOf(options))
  await readJournal(journalPath(dir), ({ record }) => {
    if (record.kind === 'execution' && !options.all) return
    const line = auditLine(record)
    process.stdout.write(
      options.json
        ? `${JSON.stringify(line)}\n`
        : `${line.at}  ${visibleLine(line.who).padEnd(12)}  ${visibleLine(line.what)}\n`,
    )
  })
  return 0
}
