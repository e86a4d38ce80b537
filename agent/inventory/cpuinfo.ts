import type { Observed } from './observed.ts'

/** @see Linux arch/arm64/include/asm/cputype.h, and Arm's MIDR_EL1 */
const implementers: Readonly<Record<string, string>> = {
  '0x41': 'ARM',
  '0x42': 'Broadcom',
  '0x43': 'Cavium',
  '0x46': 'Fujitsu',
  '0x48': 'HiSilicon',
  '0x4e': 'NVIDIA',
  '0x50': 'APM',
  '0x51': 'Qualcomm',
  '0x61': 'Apple',
  '0x6d': 'Microsoft',
  '0xc0': 'Ampere',
}

const parts: Readonly<Record<string, string>> = {
  '0x41 0xd03': 'Cortex-A53',
  '0x41 0xd04': 'Cortex-A35',
  '0x41 0xd05': 'Cortex-A55',
  '0x41 0xd07': 'Cortex-A57',
  '0x41 0xd08': 'Cortex-A72',
  '0x41 0xd09': 'Cortex-A73',
  '0x41 0xd0a': 'Cortex-A75',
  '0x41 0xd0b': 'Cortex-A76',
  '0x41 0xd0c': 'Neoverse-N1',
  '0x41 0xd40': 'Neoverse-V1',
  '0x41 0xd41': 'Cortex-A78',
  '0x41 0xd49': 'Neoverse-N2',
  '0x41 0xd4f': 'Neoverse-V2',
  '0x41 0xd83': 'Neoverse-V3AE',
  '0x41 0xd84': 'Neoverse-V3',
  '0x41 0xd8e': 'Neoverse-N3',
  '0x43 0x0af': 'ThunderX2',
  '0x46 0x001': 'A64FX',
  '0x61 0x022': 'M1 Icestorm',
  '0x61 0x023': 'M1 Firestorm',
  '0x61 0x032': 'M2 Blizzard',
  '0x61 0x033': 'M2 Avalanche',
  '0xc0 0xac3': 'Ampere-1',
  '0xc0 0xac4': 'Ampere-1a',
}

/**
 * What `/proc/cpuinfo` says, on x86 and Arm. Where processors of one machine differ (hybrid Arm, mixed microcode),
 * the distinct values joined by ` + `. Every flag becomes a fact of its own, `cpu.flags.NAME`.
 */
export function parseCpuinfo(text: string): Observed {
  const blocks = parseBlocks(text)
  const processors = blocks.filter((block) => block.has('processor'))
  const machine = new Map(blocks.flatMap((block) => [...block]))
  const all = (key: string): string | undefined => {
    const values = new Set(processors.flatMap((block) => block.get(key) ?? []))
    return values.size === 0 ? undefined : [...values].join(' + ')
  }
  const implementer = all('CPU implementer')
  const arms = processors.map((block) => `${block.get('CPU implementer')} ${block.get('CPU part')}`)
  const armNames = new Set(arms.flatMap((id) => parts[id] ?? []))

  const observed: Observed = {
    'cpu.vendor':
      all('vendor_id') ?? (implementer === undefined ? undefined : (implementers[implementer] ?? implementer)),
    'cpu.brand': armNames.size > 0 ? [...armNames].join(' + ') : all('model name'),
    'cpu.family': all('cpu family') ?? all('CPU architecture'),
    'cpu.model': all('model'),
    'cpu.stepping': all('stepping'),
    'cpu.microcode': all('microcode'),
    'cpu.implementer': implementer,
    'cpu.part': all('CPU part'),
    'cpu.variant': all('CPU variant'),
    'cpu.revision': all('CPU revision'),
    'cpu.threads': processors.length === 0 ? undefined : String(processors.length),
    'cpu.sockets': count(processors, ['physical id']),
    'cpu.cores': count(processors, ['physical id', 'core id']),
    'cpu.mhz': processors[0]?.get('cpu MHz'),
    'cpu.bogomips': processors[0]?.get('bogomips') ?? processors[0]?.get('BogoMIPS'),
    'board.soc': machine.get('Hardware'),
    'board.product': machine.get('Model'),
    'board.revision': machine.has('Hardware') ? machine.get('Revision') : undefined,
    'board.serial': machine.get('Serial'),
  }
  if (implementer !== undefined) observed['cpu.hybrid'] = new Set(arms).size > 1 ? 'yes' : 'no'
  // A thread may use only what every processor has, but a mask can pin it to one: flags of any are named.
  const flags = new Set(processors.flatMap((block) => (block.get('flags') ?? block.get('Features') ?? '').split(/\s+/)))
  flags.delete('')
  for (const flag of flags) observed[`cpu.flags.${flag}`] = 'yes'
  return observed
}

/** Blocks of `key : value` lines; a new one begins at an empty line and at each `processor`. */
function parseBlocks(text: string): Map<string, string>[] {
  const blocks: Map<string, string>[] = []
  let block = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([^:]+?)\s*:\s?(.*?)\s*$/.exec(line)
    if (match === null || (match[1] === 'processor' && block.size > 0)) {
      if (block.size > 0) blocks.push(block)
      block = new Map()
    }
    if (match !== null) block.set(match[1] as string, match[2] as string)
  }
  if (block.size > 0) blocks.push(block)
  return blocks
}

/** How many distinct combinations of these keys' values there are, where every processor has them. */
function count(processors: readonly Map<string, string>[], keys: readonly string[]): string | undefined {
  if (processors.length === 0 || !processors.every((block) => keys.every((key) => block.has(key)))) return undefined
  return String(new Set(processors.map((block) => keys.map((key) => block.get(key)).join('/'))).size)
}
