import { join, posix } from 'node:path'
import { type Roots, readText } from './roots.ts'

/** Where this process stands in each cgroup hierarchy: controllers (none for version 2) and path. */
export interface CgroupMembership {
  readonly controllers: readonly string[]
  readonly path: string
}

/** @param text of `/proc/self/cgroup`; see cgroups(7). */
export function parseCgroup(text: string): CgroupMembership[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line.trim())
    if (match === null) return []
    return [{ controllers: (match[1] as string).split(',').filter((name) => name !== ''), path: match[2] as string }]
  })
}

/** A mounted cgroup hierarchy: its controllers (none for version 2), the part of it mounted, and where. */
export interface CgroupMount {
  readonly version: 1 | 2
  readonly controllers: readonly string[]
  readonly root: string
  readonly mountPoint: string
}

/** @param text of `/proc/self/mountinfo`; see proc_pid_mountinfo(5). */
export function parseCgroupMounts(text: string): CgroupMount[] {
  return text.split('\n').flatMap((line): CgroupMount[] => {
    const [before, after] = line.split(' - ')
    const [, , , root, mountPoint] = (before ?? '').split(' ')
    const [type, , options] = (after ?? '').split(' ')
    if (root === undefined || mountPoint === undefined) return []
    if (type === 'cgroup2') return [{ version: 2, controllers: [], root, mountPoint }]
    if (type === 'cgroup') return [{ version: 1, controllers: (options ?? '').split(','), root, mountPoint }]
    return []
  })
}

/** A CPU quota in microseconds of every period, or `max`. */
export interface CpuLimit {
  readonly quota: number
  readonly period: number
}

/** @param text of `cpu.max` (version 2). @returns undefined for no limit. */
export function parseCpuMax(text: string): CpuLimit | undefined {
  const [quota, period] = text.trim().split(/\s+/)
  if (quota === undefined || !/^\d+$/.test(quota)) return undefined
  return { quota: Number(quota), period: Number(period ?? 100_000) }
}

/** The folders from a process's own cgroup up to the mount's root; each may hold a limit, the tightest counts. */
function foldersOf(mount: CgroupMount, path: string): string[] {
  const inside = mount.root !== '/' && (path === mount.root || path.startsWith(`${mount.root}/`))
  let below = posix.normalize(inside ? path.slice(mount.root.length) || '/' : path)
  // A path that climbs out belongs to another cgroup namespace: only the mount's root can be seen.
  if (below.includes('..')) below = '/'
  const folders: string[] = []
  for (; below !== '/'; below = posix.dirname(below)) folders.push(join(mount.mountPoint, below))
  return [...folders, mount.mountPoint]
}

/**
 * The CPU quota this process runs under, in the words of `cpu.max`: `max`, or `QUOTA PERIOD` in microseconds, the
 * tightest of all cgroups above it. Undefined where no cgroup controls processor time.
 *
 * @param pid of another process that is meant
 */
export async function readCpuLimit(roots: Roots, pid = 'self'): Promise<string | undefined> {
  const memberships = parseCgroup((await readText(roots.proc, `${pid}/cgroup`)) ?? '')
  const mounts = parseCgroupMounts((await readText(roots.proc, 'self/mountinfo')) ?? '')
  let known = false
  let tightest: CpuLimit | undefined
  for (const mount of mounts) {
    if (mount.version === 1 && !mount.controllers.includes('cpu')) continue
    const own = memberships.find(({ controllers }) =>
      mount.version === 2 ? controllers.length === 0 : controllers.includes('cpu'),
    )
    for (const folder of foldersOf(mount, own?.path ?? '/')) {
      const text = await readLimit(mount.version, folder.replace(/^\/sys(?=\/)/, roots.sys))
      if (text === undefined) continue
      known = true
      const limit = parseCpuMax(text)
      if (limit !== undefined && (tightest === undefined || cores(limit) < cores(tightest))) tightest = limit
    }
  }
  if (!known) return undefined
  return tightest === undefined ? 'max' : `${tightest.quota} ${tightest.period}`
}

function cores({ quota, period }: CpuLimit): number {
  return quota / period
}

async function readLimit(version: 1 | 2, folder: string): Promise<string | undefined> {
  if (version === 2) return await readText(folder, 'cpu.max')
  const quota = await readText(folder, 'cpu.cfs_quota_us')
  return quota === undefined ? undefined : `${quota} ${(await readText(folder, 'cpu.cfs_period_us')) ?? '100000'}`
}
