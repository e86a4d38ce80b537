import { verifyBundle } from '../../shared/bundle.ts'
import { visibleLine } from '../report/visible.ts'

/** `bitfleet fsck F.bundle …`: every digest and record, without a coordinator. @returns 0 where all is well, else 1 */
export async function fsckBundles(paths: readonly string[], { json }: { json?: boolean }): Promise<number> {
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
