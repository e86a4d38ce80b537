import type { Observed } from './observed.ts'
import { type Roots, readText } from './roots.ts'

/** Files of `/sys/class/dmi/id` and what they say; those of identity become attributes by their keys. */
const dmiKeys: Readonly<Record<string, string>> = {
  board_vendor: 'board.vendor',
  board_name: 'board.product',
  board_version: 'board.version',
  board_serial: 'board.serial',
  sys_vendor: 'board.system.vendor',
  product_name: 'board.system.product',
  product_version: 'board.system.version',
  product_family: 'board.system.family',
  product_serial: 'board.system.serial',
  product_uuid: 'board.system.uuid',
  bios_vendor: 'board.bios.vendor',
  bios_version: 'board.bios.version',
  bios_date: 'board.bios.date',
  chassis_serial: 'board.chassis.serial',
}

/** What makers leave in fields they did not fill. */
const filler =
  /^(?:to be filled by o\.?e\.?m\.?|default string|not (?:specified|applicable|available)|system (?:product name|manufacturer|version|serial number)|none|n\/a|o\.e\.m\.|unknown|0+|\.+|x\.x|123456789)?$/i

/** @param files texts of `/sys/class/dmi/id` by file name. */
export function parseDmi(files: Readonly<Record<string, string | undefined>>): Observed {
  const observed: Observed = {}
  for (const [file, key] of Object.entries(dmiKeys)) {
    const text = files[file]?.trim()
    if (text !== undefined && !filler.test(text)) observed[key] = text
  }
  return observed
}

/** The board, by DMI, or by the device tree where there is none. */
export async function readBoard(roots: Roots): Promise<Observed> {
  const files: Record<string, string | undefined> = {}
  for (const file of Object.keys(dmiKeys)) files[file] = await readText(roots.sys, 'class/dmi/id', file)
  const observed = parseDmi(files)
  return Object.keys(observed).length > 0
    ? observed
    : { 'board.product': await readText(roots.proc, 'device-tree/model') }
}
