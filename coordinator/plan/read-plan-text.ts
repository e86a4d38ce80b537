import { BitfleetError } from '../../shared/errors.ts'
import { readNamedFile } from '../../shared/named-file.ts'
import { maxPlanCharacters } from './source.ts'

/** @throws as `readNamedFile`; `usage` for a file that is not UTF-8 */
export async function readPlanText(planPath: string): Promise<string> {
  const bytes = await readNamedFile(planPath, { title: `the plan ${planPath}`, maxBytes: 4 * maxPlanCharacters })
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new BitfleetError('usage', `the plan ${planPath} is not UTF-8; save it as UTF-8`, { cause })
  }
}
