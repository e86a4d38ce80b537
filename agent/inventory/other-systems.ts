import type { Observed } from './observed.ts'

/** How long systeminformation's own commands may take together. */
const timeoutMs = 5_000

/**
 * What systeminformation knows, under our keys: it fills what nothing else said, on macOS and Windows most of it.
 * Never rejects.
 */
export async function readSystemInformation(): Promise<Observed> {
  const { default: si } = await import('systeminformation')
  const [cpu, os, system, memory, layout] = await Promise.all([
    bounded(si.cpu()),
    bounded(si.osInfo()),
    bounded(si.system()),
    bounded(si.mem()),
    bounded(si.memLayout()),
  ])
  const banks = (layout ?? []).filter(({ size }) => size > 0)
  const observed: Observed = {
    'cpu.vendor': cpu?.vendor,
    'cpu.brand': cpu === undefined ? undefined : `${cpu.manufacturer} ${cpu.brand}`.trim(),
    'cpu.family': cpu?.family,
    'cpu.model': cpu?.model,
    'cpu.stepping': cpu?.stepping,
    'cpu.threads': positive(cpu?.cores),
    'cpu.cores': positive(cpu?.physicalCores),
    'cpu.sockets': positive(cpu?.processors),
    'memory.ecc': banks.some(({ ecc }) => ecc === true) ? 'yes' : undefined,
    'memory.total': memory === undefined ? undefined : `${Math.round(memory.total / 2 ** 30)} GiB`,
    vm: system?.virtual === true ? system.virtualHost?.toLowerCase() || 'unknown' : undefined,
    'os.name': os === undefined ? undefined : `${os.distro} ${os.release}`.trim(),
  }
  // On Linux it makes up a product for a container; the board itself is read there.
  if (process.platform !== 'linux') {
    observed['board.system.vendor'] = system?.manufacturer
    observed['board.system.product'] = system?.model
    observed['board.system.serial'] = system?.serial
    observed['board.system.uuid'] = system?.uuid
  }
  for (const flag of cpu?.flags.split(/\s+/).filter((name) => name !== '') ?? []) observed[`cpu.flags.${flag}`] = 'yes'
  return observed
}

function positive(value: number | undefined): string | undefined {
  return value === undefined || !(value > 0) ? undefined : String(value)
}

/** Resolves to undefined when the work fails or takes too long. */
async function bounded<T>(work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}
