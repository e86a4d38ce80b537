import type { Gpu } from './gpu.ts'

/**
 * The cards of `rocm-smi … --json`, in order. Its keys changed their case between versions (`Card series`,
 * `Card Series`).
 *
 * @returns undefined where it is not that JSON
 */
export function parseRocmSmi(text: string): Gpu[] | undefined {
  let parsed: unknown
  try {
    // Some versions print warnings before the object.
    parsed = JSON.parse(text.slice(text.indexOf('{')))
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const sections = Object.entries(parsed as Record<string, Record<string, string>>)
  const driver = sections.find(([name]) => name === 'system')?.[1]['Driver version']
  return sections
    .filter(([name, card]) => /^card\d+$/.test(name) && typeof card === 'object')
    .sort(([a], [b]) => Number(a.slice(4)) - Number(b.slice(4)))
    .map(([, card]) => {
      const values = new Map(Object.entries(card).map(([key, value]) => [key.toLowerCase(), value]))
      const say = (key: string) => {
        const value = values.get(key)
        return value === undefined || /^(?:N\/A|unknown|)$/i.test(value) ? undefined : value
      }
      const memoryBytes = Number(say('vram total memory (b)'))
      const observed: Record<string, string | undefined> = {
        vendor: 'AMD',
        model: say('card series') ?? say('device name'),
        architecture: say('gfx version'),
        'pci.vendor': '0x1002',
        'pci.device': say('device id') ?? say('gpu id'),
        'pci.revision': say('device rev'),
        'subsystem.device': say('subsystem id') ?? say('card model'),
        sku: say('card sku'),
        vbios: say('vbios version'),
        driver,
        'memory.total': memoryBytes > 0 ? `${Math.round(memoryBytes / 2 ** 20)} MiB` : undefined,
        uuid: say('unique id'),
        serial: say('serial number'),
      }
      for (const [key, value] of values) {
        const engine = /^(\w+(?: \w+)?) firmware version$/.exec(key)?.[1]
        if (engine !== undefined && Number(value) !== 0) observed[`firmware.${engine.replace(' ', '-')}`] = value
      }
      return { address: (say('pci bus') ?? '').toLowerCase(), observed }
    })
}
