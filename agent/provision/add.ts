import { existsSync } from 'node:fs'
import { mkdir, rename, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { findRunner } from '../daemon/find-runner.ts'
import { installedCommand, programOf } from '../daemon/runners.ts'
import { syncFolder } from '../../shared/folder.ts'
import { checkRunner } from './check.ts'
import { chooseVersion } from './choose.ts'
import { type Fetched, fetchPackage } from './fetch.ts'
import { explainDisk } from './full-disk.ts'
import { type Installed, installedFile, installedSchema, type InstalledRunner, readInstalled } from './installed.ts'
import { openPlace, type Place, sweepDrafts } from './place.ts'
import type { InstallPlace, Machine, Package, Provider, Version } from './provider.ts'
import { runProgram } from './run.ts'
import { syncTree } from './sync-tree.ts'

export interface AddOptions {
  readonly providers: readonly Provider[]
  readonly machine: Machine
  /** Absolute path of the folder of backends. */
  readonly root: string
  /** A folder with the packages' files; nothing is fetched from anywhere else then. */
  readonly from?: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Folder of the runners, in place of where this program looks for them. */
  readonly runnersFolder?: string
  /** Told what happens, and how many of how many steps are done. */
  readonly progress: (step: string, done: number, total: number) => void
}

export interface Added {
  readonly installed: Installed
  readonly folder: string
  /** It had been there before, whole. */
  readonly already: boolean
}

/**
 * Installs a version of a library: fetches its packages, makes its folder, starts its runner and has it compute what is
 * known, and only then gives the folder its name. Whatever ends it before, nothing stands; what was fetched is kept.
 *
 * @param id NAME@VERSION
 * @throws `usage`, `unavailable`, `conflict`, `not-found`, `digest-mismatch`, `workload`, `system`
 */
export async function addBackend(id: string, options: AddOptions): Promise<Added> {
  const { provider, version } = chooseVersion(id, options.providers, options.machine)
  const { root } = options
  const runner = findRunner(options)
  if (!('file' in runner)) throw new BitfleetError('unavailable', `${id}: ${runner.reason}; to add them: ${runner.add}`)
  await sweepDrafts([root])
  let place: Place | undefined
  try {
    place = await openPlace(root, id)
    const before = readInstalled([root]).find((entry) => entry.id === id)
    if (before?.status === 'installed') return { installed: before.installed, folder: place.folder, already: true }
    if (before !== undefined || existsSync(place.folder)) {
      const fact = before?.status === 'broken' ? before.reason : `${place.folder} is in its way`
      throw new BitfleetError('conflict', `${id}: ${fact}; \`bitfleet backends remove ${id}\` makes room for it`)
    }
    await checkRoom(id, version, root)
    const installed = await make(id, provider, version, place, options, runner.file)
    return { installed, folder: place.folder, already: false }
  } catch (error) {
    throw explainDisk(id, root, error)
  } finally {
    await place?.close()
  }
}

async function make(
  id: string,
  provider: Provider,
  version: Version,
  place: Place,
  { from, environment, machine, progress }: AddOptions,
  runnerFile: string,
): Promise<Installed> {
  // Unpacking, checking, and having it on disk follow what is fetched.
  const total = version.packages.length + 3
  let done = 0
  const run: InstallPlace['run'] = (command, argv, options) => runProgram(command, argv, options, environment)
  for (const { command, argv, remedy } of provider.programs ?? []) await run(command, argv, { remedy, timeMs: 60_000 })

  const fetched = new Map<string, Fetched & { readonly pinned: Package }>()
  for (const pinned of version.packages) {
    progress(`fetching ${pinned.file}`, done, total)
    const file = await fetchPackage(pinned, { cache: place.cache, drafts: place.scratch, from, run })
    fetched.set(pinned.file, { ...file, pinned })
    done++
  }

  progress(`installing ${id}`, done, total)
  await mkdir(place.draft, { mode: 0o700 })
  const runner = await provider.install(version, {
    id,
    machine,
    program: programOf(runnerFile),
    folder: place.draft,
    file(name) {
      const found = fetched.get(name)
      if (found === undefined) throw new BitfleetError('internal', `${id} has no package ${name}`)
      return found.path
    },
    run,
    say: (step) => progress(step, done, total),
  })
  done++

  progress(`having ${id} compute what is known`, done, total)
  const command = installedCommand(runner, place.draft, runnerFile)
  await checkRunner({ id, version: version.version, command }, provider.answers, environment, place.scratch)
  done++

  progress(`writing ${id} to disk`, done, total)
  const installed = describe(id, provider, version, runner, [...fetched.values()])
  await writeFile(join(place.draft, installedFile), `${canonicalJson(installed)}\n`, { flag: 'wx', mode: 0o600 })
  await syncTree(place.draft)
  await rename(place.draft, place.folder)
  await syncFolder(join(place.folder, '..'))
  progress(`${id} is installed`, total, total)
  return installed
}

function describe(
  id: string,
  provider: Provider,
  { version }: Version,
  runner: InstalledRunner,
  fetched: readonly (Fetched & { readonly pinned: Package })[],
): Installed {
  return installedSchema.parse({
    schema: 'bitfleet/installed-backend@1',
    ...{ id, version, provider: provider.id, runner },
    sources: fetched.map(({ pinned: { file, integrity }, digest, bytes }) => ({
      name: file,
      integrity,
      digest,
      bytes,
    })),
  })
}

/** What is fetched lies beside what is made of it for a while. */
async function checkRoom(id: string, { installedBytes }: Version, root: string): Promise<void> {
  const { bavail, bsize } = await statfs(root)
  const free = bavail * bsize
  if (free >= installedBytes * 1.5) return
  throw new BitfleetError(
    'system',
    `${id} takes about ${mebibytes(installedBytes * 1.5)}, and ${root} has ${mebibytes(free)} free; make room, or choose another folder with --state`,
  )
}

const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
