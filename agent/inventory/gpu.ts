import { parseRocmSmi } from './amd-gpu.ts'
import type { CommandResult, RunCommand } from './command.ts'
import { parseNvidiaSmi } from './nvidia.ts'
import type { Observed } from './observed.ts'
import { parseLspci, type PciDevice, readPciDevices } from './pci.ts'
import { type Roots, readText } from './roots.ts'

/** One card; `observed` without the `gpu.N.` before each key. */
export interface Gpu {
  /** On the PCI bus, such as `0000:01:00.0`; empty where it is not known. */
  readonly address: string
  readonly observed: Observed
}

/** Whose display controllers can compute; others (management controllers, emulated screens) are left out. */
const vendors: Readonly<Record<string, string>> = { '0x10de': 'NVIDIA', '0x1002': 'AMD', '0x8086': 'Intel' }

const rocmSmiArguments = [
  ...['--showproductname', '--showid', '--showvbios', '--showdriverversion', '--showuniqueid', '--showserial'],
  ...['--showfwinfo', '--showbus', '--showmeminfo', 'vram', '--json'],
]

/**
 * The cards: by their makers' tools, and from the PCI bus those that no tool lists. A card that is seen and cannot be
 * used says so in `usable` and why in `unusable`.
 */
export async function readGpus(roots: Roots, run: RunCommand): Promise<{ gpus: Gpu[]; warnings: Observed }> {
  const onBus = (await readPciDevices(roots)).filter(({ vendor }) => vendor in vendors)
  const nvidia = await run('nvidia-smi', ['-q', '-x'])
  const rocm = await run('rocm-smi', rocmSmiArguments)
  const warnings: Observed = {}
  const listed = [
    ...takeListed('nvidia-smi', nvidia, parseNvidiaSmi, warnings),
    ...takeListed('rocm-smi', rocm, parseRocmSmi, warnings),
  ].map(({ address, observed }) => ({ address, observed: { ...observed, usable: 'yes' } as Observed }))

  const known = new Set(listed.map(({ address }) => address))
  const unlisted = onBus.filter(({ address }) => !known.has(address))
  const names = unlisted.length === 0 ? undefined : await run('lspci', ['-vmmnn', '-D'])
  const nameOf = parseLspci(names?.status === 'ok' ? names.stdout : '')
  const reasons: Record<string, string | undefined> = {
    '0x10de': whyUnlisted('nvidia-smi', nvidia),
    '0x1002': undefined,
    '0x8086': undefined,
  }
  for (const device of unlisted) {
    const vbios = await readText(roots.sys, 'bus/pci/devices', device.address, 'vbios_version')
    const model = nameOf.get(device.address)?.device
    listed.push({ address: device.address, observed: { ...fromBus(device, reasons[device.vendor]), model, vbios } })
  }
  return { gpus: listed, warnings }
}

function takeListed(
  tool: string,
  result: CommandResult,
  parse: (text: string) => Gpu[] | undefined,
  warnings: Observed,
): Gpu[] {
  if (result.status === 'absent') return []
  const gpus = result.status === 'ok' ? parse(result.stdout) : undefined
  if (gpus === undefined) {
    warnings[`warning.${tool}`] = result.status === 'failed' ? result.reason : `${tool} printed what cannot be read`
  }
  return gpus ?? []
}

function whyUnlisted(tool: string, result: CommandResult): string {
  if (result.status === 'absent') return `${tool} is not installed: no driver, or not passed into this container`
  return result.status === 'failed' ? result.reason : `${tool} does not list it`
}

function fromBus(device: PciDevice, reason: string | undefined): Observed {
  const why = reason ?? (device.driver === undefined ? 'no kernel driver is bound to it' : undefined)
  return {
    vendor: vendors[device.vendor],
    'pci.vendor': device.vendor,
    'pci.device': device.device,
    'pci.revision': device.revision,
    'subsystem.vendor': device.subsystemVendor,
    'subsystem.device': device.subsystemDevice,
    'driver.module': device.driver,
    usable: why === undefined ? 'yes' : 'no',
    unusable: why,
  }
}
