import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../shared/errors.ts'
import type { Facts } from '../../shared/facts.ts'
import { readCpuLimit } from '../inventory/cgroup.ts'
import { type RunCommand, runCommand } from '../inventory/command.ts'
import { type FloatingPointMode, readFloatingPointMode } from '../inventory/floating-point.ts'
import type { Inventory } from '../inventory/index.ts'
import { parseAffinity } from '../inventory/process.ts'
import { readText, systemRoots } from '../inventory/roots.ts'
import { type Check, fail, ok, warn } from './check.ts'

const leastNode = [20, 19] as const

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const fact = `Node ${version}`
  if (major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])) return ok('node', fact)
  return fail('node', fact, `install Node ${leastNode.join('.')} or later`)
}

const mib = 2 ** 20
const leastFreeBytes = 64 * mib
/** Room for the tensors of a run of some size. */
const goodFreeBytes = 2048 * mib

/** Whether the folder of the agent's key and cache can be written to, and has room. */
export function checkState(folder: string): Check {
  const probe = join(folder, `.doctor-${process.pid}`)
  try {
    makeFolder(folder)
    writeFileSync(probe, 'x')
    rmSync(probe)
  } catch (error) {
    return fail('state', `${folder} cannot be written to (${messageOf(error)})`, 'name another by BITFLEET_STATE')
  }
  const { bavail, bsize } = statfsSync(folder)
  const freeBytes = bavail * bsize
  const fact = `${folder}, ${Math.floor(freeBytes / mib)} MiB free`
  if (freeBytes < leastFreeBytes) return fail('state', fact, 'make room, or name another folder by BITFLEET_STATE')
  if (freeBytes < goodFreeBytes) return warn('state', fact, 'tensors may be dropped early: 2 GiB are better')
  return ok('state', fact)
}

/** One level after the other: node's own recursion never ends where a file system denies that its folder exists. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  const parent = dirname(folder)
  if (parent !== folder) makeFolder(parent)
  mkdirSync(folder, { mode: 0o700 })
}

/** Whether the wall clock tells a year that can be and runs as fast as the monotonic one. */
export async function checkClock(): Promise<Check> {
  const [wall, monotonic] = [Date.now(), performance.now()]
  await sleep(100)
  return judgeClock(new Date(wall), Date.now() - wall, performance.now() - monotonic)
}

/** @param wallMs, monotonicMs what the two clocks measured of one interval. */
export function judgeClock(now: Date, wallMs: number, monotonicMs: number): Check {
  const year = now.getUTCFullYear()
  if (year < 2025 || year > 2100) {
    return fail(
      'clock',
      `the clock says ${now.toISOString()}`,
      'set it (timedatectl set-ntp true): certificates fail under a wrong date',
    )
  }
  const apartMs = Math.abs(wallMs - monotonicMs)
  if (apartMs > 50) {
    return warn(
      'clock',
      `it jumped by ${Math.round(apartMs)} ms while looked at`,
      'let time be slewed, not stepped (chrony, ntpd)',
    )
  }
  return ok('clock', now.toISOString())
}

/** Those that decide which code path a numeric library takes. */
const flagsWorthNaming = [
  ...['sse4_2', 'avx', 'avx2', 'fma', 'f16c', 'avx512f', 'avx512_bf16', 'avx512_fp16', 'amx_tile'],
  ...['asimd', 'asimdhp', 'sve', 'sve2', 'bf16', 'i8mm'],
]

export function checkProcessor(facts: Facts): Check {
  const flags = flagsWorthNaming.filter((flag) => facts[`cpu.flags.${flag}`] === 'yes')
  const brand = facts['cpu.brand'] ?? facts['cpu.vendor'] ?? 'an unknown processor'
  const hybrid = facts['cpu.hybrid'] === 'yes' ? ', of several kinds of core' : ''
  const threads = `${facts['cpu.threads'] ?? '?'} threads${hybrid}`
  return ok('processor', `${brand}, ${threads}${flags.length > 0 ? `: ${flags.join(' ')}` : ''}`)
}

export function checkCards({ facts, attributes, devices }: Inventory): Check[] {
  const checks = devices
    .filter(({ kind }) => kind === 'gpu')
    .map(({ id, title }) => {
      const say = (key: string) => facts[`gpu.${id.slice('gpu'.length)}.${key}`]
      const driver = say('driver') === undefined ? '' : `, driver ${say('driver')}`
      const cuda = say('cuda') === undefined ? '' : `, CUDA ${say('cuda')}`
      return say('usable') === 'no'
        ? warn(id, `${title}: ${say('unusable')}`, 'install its driver, or pass the card into this container')
        : ok(id, `${title}${driver}${cuda}`)
    })
  if (checks.length > 0) return checks
  const broken = attributes['warning.nvidia-smi'] ?? attributes['warning.rocm-smi']
  return broken === undefined
    ? [ok('gpu', 'none seen')]
    : [warn('gpu', broken, "see to the card's driver, or go on without the card")]
}

/** Compilers are needed for nothing but compiled workloads. */
export async function checkCompilers(run: RunCommand = runCommand): Promise<Check> {
  const found: string[] = []
  for (const name of ['gcc', 'clang']) {
    const version = await run(name, ['--version'])
    if (version.status === 'ok') found.push((version.stdout.split('\n')[0] ?? name).trim())
    if (version.status === 'failed') found.push(`${name} is broken: ${version.reason}`)
  }
  return found.length > 0
    ? ok('compilers', found.join('; '))
    : warn('compilers', 'neither gcc nor clang', 'apt-get install gcc, for workloads that are compiled here')
}

/** How many processors a list such as `0-3,8` names. */
export function countProcessors(list: string): number {
  return list
    .split(',')
    .map((range) => range.split('-').map(Number) as [number, number?])
    .reduce((sum, [first, last = first]) => sum + last - first + 1, 0)
}

/** Whether this process may use all of the machine: libraries choose their threads, and so their sums, by it. */
export function judgeLimits(seen: { threads: number; affinity?: string; cpuMax?: string }): Check[] {
  const checks: Check[] = []
  const allowed = seen.affinity === undefined ? seen.threads : countProcessors(seen.affinity)
  checks.push(
    allowed < seen.threads
      ? warn(
          'affinity',
          `${allowed} of ${seen.threads} processors (${seen.affinity})`,
          'results may differ from those of the whole machine; it is recorded as cpu.affinity',
        )
      : ok('affinity', `all ${seen.threads} processors`),
  )
  if (seen.cpuMax === undefined) return [...checks, ok('cgroup', 'no limit on processor time')]
  const [quota, period] = seen.cpuMax.split(' ').map(Number) as [number, number?]
  const processors = period === undefined ? Infinity : quota / period
  checks.push(
    processors < seen.threads
      ? warn(
          'cgroup',
          `processor time of ${processors} processors (cpu.max ${seen.cpuMax}), ${seen.threads} are seen`,
          'runs are slower than they look, and time limits come early; raise cpu.max or the limit of the container',
        )
      : ok('cgroup', `cpu.max ${seen.cpuMax}`),
  )
  return checks
}

export async function checkLimits(threads: number): Promise<Check[]> {
  const affinity = parseAffinity((await readText(systemRoots.proc, 'self/status')) ?? '')
  const cpuMax = await readCpuLimit(systemRoots)
  return judgeLimits({
    threads,
    ...(affinity === undefined ? {} : { affinity }),
    ...(cpuMax === undefined ? {} : { cpuMax }),
  })
}

export function judgeFloatingPoint(mode: Pick<FloatingPointMode, 'rounding' | 'ftz' | 'daz'>): Check {
  const { rounding, ftz, daz } = mode
  if (rounding === 'nearest' && !ftz && !daz) return ok('floating point', 'rounds to nearest, keeps subnormals')
  const flushed = [ftz ? 'results' : '', daz ? 'operands' : ''].filter((word) => word !== '').join(' and ')
  return fail(
    'floating point',
    `a fresh process rounds ${rounding === 'nearest' ? 'to nearest' : rounding}${flushed === '' ? '' : `, flushes subnormal ${flushed} to zero`}`,
    'something loaded into every process sets the mode: look at LD_PRELOAD and at libraries built with -ffast-math',
  )
}

export async function checkFloatingPoint(): Promise<Check> {
  return judgeFloatingPoint(await readFloatingPointMode())
}

const leastOpenFiles = 1024

/** @param text of `/proc/self/limits`. */
export function judgeOpenFiles(text: string): Check {
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1]
  if (soft === undefined) return ok('open files', 'no limit known')
  return soft !== 'unlimited' && Number(soft) < leastOpenFiles
    ? warn('open files', `at most ${soft}`, `ulimit -n ${leastOpenFiles}`)
    : ok('open files', `at most ${soft}`)
}

export async function checkOpenFiles(): Promise<Check> {
  return judgeOpenFiles((await readText(systemRoots.proc, 'self/limits')) ?? '')
}
