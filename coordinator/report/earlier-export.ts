import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from './format.ts'

/**
 * Removes the tensors and traces that were exported into a folder with the report of another run, since nothing would
 * say that they are not this one's. What somebody else put there stays.
 */
export async function removeEarlierExport(dir: string, { run }: Pick<Report, 'run'>): Promise<void> {
  const earlier = (await readJson(join(dir, 'report.json'))) as { run?: { id?: unknown } } | undefined
  // Without a report, nothing says of which run they are.
  if (earlier?.run?.id === undefined || earlier.run.id === run.id) return
  const artifacts = join(dir, 'artifacts')
  const index = (await readJson(join(artifacts, 'index.json'))) as { schema?: unknown; tensors?: unknown } | undefined
  if (index?.schema === 'bitfleet/artifacts@1' && Array.isArray(index.tensors)) {
    const named = (index.tensors as ({ file?: unknown } | null)[]).map((tensor) => tensor?.file)
    const files = new Set(named.filter((file) => typeof file === 'string' && /^[\w-]+(\.bf16)?\.npy$/.test(file)))
    await removeAll(artifacts, [...(files as Set<string>), 'index.json'])
  }
  const traces = join(dir, 'traces')
  const names = await readdir(traces).catch(() => [])
  const own = names.filter((name) => /^[0-9a-f]{64}\.jsonl$/.test(name))
  if (own.length > 0) await removeAll(traces, own)
}

async function removeAll(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(folder, name), { force: true })
  // A folder with something else in it stays.
  await rmdir(folder).catch(() => {})
}

async function readJson(path: string): Promise<unknown> {
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as unknown) ?? undefined
  } catch {
    return undefined
  }
}
