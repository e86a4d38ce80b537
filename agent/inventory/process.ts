import type { Facts } from '../../shared/facts.ts'
import { readCpuLimit } from './cgroup.ts'
import { libuvPoolSize } from './config.ts'
import { type Emulator, emulatorFacts, readEmulator } from './emulator.ts'
import { readFloatingPointMode } from './floating-point.ts'
import { parseMaps } from './mapped-libraries.ts'
import { readText, systemRoots } from './roots.ts'

// What a runner sees of itself, in the thread that computes. Observing changes no floating-point state.

let emulator: Promise<Emulator | undefined> | undefined

/**
 * Facts of this process before the computation: floating-point mode, affinity, quota, libuv's pool, Node's versions, and
 * what emulates its processor.
 */
export async function observeBefore(): Promise<Facts> {
  const facts: Record<string, string> = await floatingPointFacts('before')
  const affinity = parseAffinity((await readText(systemRoots.proc, 'self/status')) ?? '')
  if (affinity !== undefined) facts['cpu.affinity'] = affinity
  const limit = await readCpuLimit(systemRoots)
  if (limit !== undefined) facts['cgroup.cpu.max'] = limit
  facts['pool.uv'] = String(libuvPoolSize())
  facts['lib.node.version'] = process.versions.node
  facts['lib.v8.version'] = process.versions.v8
  const emulated = await (emulator ??= readEmulator())
  return emulated === undefined ? facts : { ...facts, ...emulatorFacts(emulated) }
}

/**
 * After the computation: the floating-point mode again, and paths of the numeric libraries mapped by now, an emulator
 * among them, for it does the arithmetic.
 */
export async function observeAfter(): Promise<{ facts: Facts; mapped: string[] }> {
  const facts = await floatingPointFacts('after')
  const mapped = parseMaps((await readText(systemRoots.proc, 'self/maps')) ?? '')
  const emulated = await (emulator ??= readEmulator())
  return { facts, mapped: emulated === undefined ? mapped : [...mapped, emulated.executable] }
}

/** The processors this process may run on, such as `0-3,8`. @param status text of `/proc/self/status`. */
export function parseAffinity(status: string): string | undefined {
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1]
}

async function floatingPointFacts(when: 'before' | 'after'): Promise<Record<string, string>> {
  const mode = await readFloatingPointMode()
  const facts: Record<string, string> = {
    [`fp.${when}.rounding`]: mode.rounding,
    [`fp.${when}.ftz`]: mode.ftz ? 'yes' : 'no',
    [`fp.${when}.daz`]: mode.daz ? 'yes' : 'no',
    [`fp.${when}.method`]: mode.method,
  }
  for (const [register, value] of Object.entries(mode.registers)) facts[`fp.${when}.${register}`] = value
  return facts
}
