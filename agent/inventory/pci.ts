import { readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Roots, readNames, readText } from './roots.ts'

/** A display or accelerator on the PCI bus, as sysfs shows it: four hex digits with `0x` each. */
export interface PciDevice {
  readonly address: string
  readonly vendor: string
  readonly device: string
  readonly subsystemVendor?: string
  readonly subsystemDevice?: string
  readonly revision?: string
  /** The kernel driver bound to it. */
  readonly driver?: string
}

/** Display controllers (class 03) and processing accelerators (class 12). */
const computingClass = /^0x(?:03|12)/

export async function readPciDevices(roots: Roots): Promise<PciDevice[]> {
  const folder = join(roots.sys, 'bus/pci/devices')
  const devices: PciDevice[] = []
  for (const address of await readNames(folder)) {
    const say = (name: string) => readText(folder, address, name)
    const [vendor, device] = [await say('vendor'), await say('device')]
    if (!computingClass.test((await say('class')) ?? '') || vendor === undefined || device === undefined) continue
    const [subsystemVendor, subsystemDevice] = [await say('subsystem_vendor'), await say('subsystem_device')]
    const revision = await say('revision')
    const driver = await readlink(join(folder, address, 'driver')).then(basename, () => undefined)
    devices.push({
      address,
      vendor,
      device,
      ...(subsystemVendor === undefined ? {} : { subsystemVendor }),
      ...(subsystemDevice === undefined ? {} : { subsystemDevice }),
      ...(revision === undefined ? {} : { revision }),
      ...(driver === undefined ? {} : { driver }),
    })
  }
  return devices
}

/** Names by address out of `lspci -vmmnn -D`: vendor and device without their numbers. */
export function parseLspci(text: string): Map<string, { readonly vendor: string; readonly device: string }> {
  const names = new Map<string, { vendor: string; device: string }>()
  for (const record of text.split(/\n\s*\n/)) {
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*?)(?: \\[[0-9a-f]{4}\\])?$`, 'm').exec(record)?.[1]
    const [slot, vendor, device] = [field('Slot'), field('Vendor'), field('Device')]
    if (slot === undefined || vendor === undefined || device === undefined) continue
    names.set(/^[0-9a-f]{4}:/.test(slot) ? slot : `0000:${slot}`, { vendor, device })
  }
  return names
}
