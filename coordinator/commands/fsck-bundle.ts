import { stat } from 'node:fs/promises'
import { verifyBundle } from '../../shared/bundle.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import { fsck } from './store.ts'

/** `bitfleet fsck F.bundle …`: every digest and record, without a coordinator. @returns 0 where all is well, else 1 */
export async function fsckBundles(paths: readonly string[], { json }: { json?: boolean }): Promise<number> {
  const folders = []
  for (const path of paths) if ((await stat(path).catch(() => undefined))?.isDirectory()) folders.push(path)
  const [folder] = folders
  if (folder !== undefined) {
    if (paths.length === 1) return fsck(folder, { json })
    throw new BitfleetError('usage', `${folder} is a folder and no bundle; check a store by itself`)
  }
  const found = []
  for (const path of paths) found.push({ path, problems: await verifyBundle(path) })
  const sound = found.every(({ problems }) => problems.length === 0)
  if (json) process.stdout.write(`${JSON.stringify({ sound, bundles: found }, null, 2)}\n`)
  else {
    for (const { path, problems } of found) {
      process.stdout.write(`${visibleLine(path)}: ${problems.length === 0 ? 'sound' : `${problems.length} wrong`}\n`)
      for (const { file, code, message } of problems) {
        process.stdout.write(`  ${visibleLine(file)}: ${code}: ${visibleLine(message)}\n`)
      }
    }
  }
  return sound ? 0 : 1
}
