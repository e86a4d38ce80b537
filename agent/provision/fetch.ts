import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'
import { wordsOfClient } from './client-words.ts'
import type { Package, RunOptions } from './provider.ts'
import { parseWheelName, pipTags } from './wheel-name.ts'

/** A package's file that is there, with the bytes it was pinned with. */
export interface Fetched {
  readonly path: string
  /** SHA-256, as everything else is named. */
  readonly digest: `sha256:${string}`
  readonly bytes: number
}

export interface FetchPlace {
  /** Folder of what was fetched before, by integrity. */
  readonly cache: string
  /** A folder of this process alone, on the same file system. */
  readonly drafts: string
  /** A folder with the same files, in place of every network. */
  readonly from?: string
  run(command: string, argv: readonly string[], options: RunOptions): Promise<string>
}

/**
 * Brings a package's file: from what was fetched before, else from the mirror folder, else through its client.
 *
 * @throws `digest-mismatch` where other bytes come; `not-found` where the mirror lacks it; what the client says
 */
export async function fetchPackage(pinned: Package, place: FetchPlace): Promise<Fetched> {
  const path = cachedPath(place.cache, pinned)
  const before = await digestFile(path).catch(() => undefined)
  if (before !== undefined && before.integrities.includes(pinned.integrity)) return { path, ...before }
  // Broken on disk since.
  if (before !== undefined) await rm(path)

  await mkdir(place.drafts, { recursive: true, mode: 0o700 })
  // Of a name that no other attempt has: what a killed one started may still write into its own.
  const folder = await mkdtemp(join(place.drafts, 'fetch-'))
  const draft = join(folder, pinned.file)
  if (place.from === undefined) await fetchFromRegistry(pinned, folder, place.run)
  else await copyFromMirror(pinned, place.from, draft)
  const found = await digestFile(draft).catch(() => undefined)
  if (found === undefined) {
    throw new BitfleetError(
      'unavailable',
      `${pinned.client} fetched no ${pinned.file} for ${pinned.name} ${pinned.version}; bring the file yourself and name its folder by --from`,
    )
  }
  if (!found.integrities.includes(pinned.integrity)) throw mismatch(pinned, found.integrities, place.from)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await rename(draft, path)
  await syncFolder(dirname(path))
  await rm(folder, { recursive: true })
  return { path, digest: found.digest, bytes: found.bytes }
}

/** Where a package's file is kept: under its own name, which pip needs, in a folder named by its bytes. */
export function cachedPath(cache: string, { integrity, file }: Pick<Package, 'integrity' | 'file'>): string {
  const [, algorithm, text] = /^(sha512-|sha256:)(.+)$/.exec(integrity) ?? []
  if (algorithm === undefined || text === undefined || !/^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/.test(file)) {
    throw new BitfleetError('internal', `the pin of ${file} is none: ${integrity}`)
  }
  const hex = algorithm === 'sha512-' ? Buffer.from(text, 'base64').toString('hex') : text
  return join(cache, `${algorithm.slice(0, -1)}-${hex}`, file)
}

async function copyFromMirror({ file, client, name, version }: Package, from: string, draft: string): Promise<void> {
  try {
    await copyFile(join(from, file), draft)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      const remedy = 'name a folder that holds the file, and that this user may read'
      throw new BitfleetError('system', `${file} cannot be copied from ${from} (${messageOf(cause)}); ${remedy}`, {
        cause,
      })
    }
    const command = client === 'npm' ? `npm pack ${name}@${version}` : `pip download --no-deps ${name}==${version}`
    throw new BitfleetError('not-found', `${from} has no ${file}; \`${command}\` makes it where there is a network`, {
      cause,
    })
  }
}

async function fetchFromRegistry(
  { client, name, version, file }: Package,
  folder: string,
  run: FetchPlace['run'],
): Promise<void> {
  const remedy = `see that ${client} is installed and reaches its registry, or bring ${file} yourself and name its folder by --from`
  const options = { remedy, cwd: folder, environment: { TMPDIR: folder }, words: wordsOfClient }
  if (client === 'npm') {
    const argv = ['pack', `${name}@${version}`, '--pack-destination', folder, '--ignore-scripts', '--loglevel=error']
    await run('npm', argv, options)
  } else {
    const argv = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--quiet']
    // A wheel is asked for by what its name says, and not by what this Python would take.
    const tags = parseWheelName(file)?.tags
    if (tags !== undefined) argv.push(...pipTags(tags))
    await run('python3', [...argv, '--dest', folder, `${name}==${version}`], options)
  }
}

function mismatch({ file, integrity, client }: Package, found: readonly string[], from?: string): BitfleetError {
  const same = found.find((other) => other.slice(0, 7) === integrity.slice(0, 7))
  const who = from ?? `${client}'s registry`
  const remedy =
    from === undefined
      ? `see which registry ${client} is configured with, and what serves it`
      : 'copy the file there again, from the registry itself'
  return new BitfleetError(
    'digest-mismatch',
    `${file} from ${who} has other bytes than were pinned: ${same}, not ${integrity}; ${remedy}`,
  )
}

/** Digests in one pass, in each of the ways a pin may be written. */
export async function digestFile(path: string): Promise<Omit<Fetched, 'path'> & { integrities: string[] }> {
  const { size } = await stat(path)
  const [sha256, sha512] = [createHash('sha256'), createHash('sha512')]
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    sha256.update(piece)
    sha512.update(piece)
  }
  const digest = `sha256:${sha256.digest('hex')}` as const
  return { digest, bytes: size, integrities: [digest, `sha512-${sha512.digest('base64')}`] }
}
