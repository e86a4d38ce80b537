import { join } from 'node:path'
import type { RunCommand } from './command.ts'
import { parseCpuinfo } from './cpuinfo.ts'
import { parseLscpu } from './lscpu.ts'
import type { Observed } from './observed.ts'
import { type Roots, readNames, readText } from './roots.ts'

const cacheNames: Readonly<Record<string, string>> = {
  '1 Data': 'l1d',
  '1 Instruction': 'l1i',
  '1 Unified': 'l1',
  '2 Unified': 'l2',
  '3 Unified': 'l3',
  '4 Unified': 'l4',
}

/** The processors: `/proc/cpuinfo` and sysfs first, lscpu for what they leave open. */
export async function readCpu(roots: Roots, run: RunCommand): Promise<Observed> {
  const cpuinfo = parseCpuinfo((await readText(roots.proc, 'cpuinfo')) ?? '')
  const lscpu = await run('lscpu', [])
  const warnings: Observed = lscpu.status === 'failed' ? { 'warning.lscpu': lscpu.reason } : {}
  const topology = await readTopology(roots)
  const observed: Observed = lscpu.status === 'ok' ? parseLscpu(lscpu.stdout) : {}
  for (const [key, value] of Object.entries({ ...cpuinfo, ...topology, ...warnings })) {
    if (value !== undefined) observed[key] = value
  }
  observed['cpu.hybrid'] ??= 'no'
  return observed
}

/** Caches, NUMA nodes, simultaneous multithreading, governor and kinds of core, out of sysfs. */
async function readTopology(roots: Roots): Promise<Observed> {
  const system = join(roots.sys, 'devices/system')
  const cpu0 = join(system, 'cpu/cpu0')
  const performance = await readText(roots.sys, 'devices/cpu_core/cpus')
  const efficient = await readText(roots.sys, 'devices/cpu_atom/cpus')
  const nodes = (await readNames(system, 'node')).filter((name) => /^node\d+$/.test(name))
  const smt = await readText(system, 'cpu/smt/active')
  const observed: Observed = {
    'cpu.numa.nodes': nodes.length === 0 ? undefined : String(nodes.length),
    'cpu.smt': smt === undefined ? undefined : smt === '1' ? 'yes' : 'no',
    'cpu.governor': await readText(cpu0, 'cpufreq/scaling_governor'),
    'cpu.governor.driver': await readText(cpu0, 'cpufreq/scaling_driver'),
  }
  if (performance !== undefined && efficient !== undefined) {
    observed['cpu.hybrid'] = 'yes'
    observed['cpu.hybrid.performance'] = performance
    observed['cpu.hybrid.efficient'] = efficient
  }
  const firstOfEach = new Set(['0', ...(efficient === undefined ? [] : [/^\d+/.exec(efficient)?.[0] ?? '0'])])
  for (const cpu of firstOfEach) {
    for (const [key, size] of await readCaches(join(system, `cpu/cpu${cpu}/cache`))) {
      const before = observed[key]
      observed[key] = before === undefined || before === size ? size : `${before} + ${size}`
    }
  }
  return observed
}

async function readCaches(folder: string): Promise<[key: string, size: string][]> {
  const caches: [string, string][] = []
  for (const index of (await readNames(folder)).filter((name) => /^index\d+$/.test(name))) {
    const name = cacheNames[`${await readText(folder, index, 'level')} ${await readText(folder, index, 'type')}`]
    const size = await readText(folder, index, 'size')
    if (name !== undefined && size !== undefined) caches.push([`cpu.cache.${name}`, size])
  }
  return caches
}
