import { open, readFile, truncate } from 'node:fs/promises'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { ControlRecord } from './control-state.ts'

/** Where control records are kept. What `append` has resolved for is found again after a crash. */
export interface ControlLog {
  append(record: ControlRecord): Promise<void>
  close(): Promise<void>
}

/**
 * A file of canonical JSON lines, fsynced one by one. A last line without its end is what a crash left: it was never
 * acknowledged, and is cut off.
 */
export async function openControlLog(path: string): Promise<{ log: ControlLog; records: ControlRecord[] }> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole))
  const records = whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ControlRecord)
  const file = await open(path, 'a', 0o600)
  let last: Promise<unknown> = Promise.resolve()
  return {
    records,
    log: {
      append(record) {
        const written = last.then(async () => {
          await file.appendFile(`${canonicalJson(record)}\n`)
          await file.datasync()
        })
        last = written.catch(() => {})
        return written
      },
      async close() {
        await last
        await file.close()
      },
    },
  }
}

/** Nothing outlives the process: for tests. */
export function createMemoryLog(records: ControlRecord[] = []): ControlLog {
  return {
    async append(record) {
      records.push(record)
    },
    async close() {},
  }
}
