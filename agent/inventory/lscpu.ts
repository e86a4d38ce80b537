import { type Observed, parseColonLines } from './observed.ts'

const vendorNames: Readonly<Record<string, string>> = {
  KVM: 'kvm',
  VMware: 'vmware',
  Microsoft: 'hyper-v',
  Xen: 'xen',
  Oracle: 'virtualbox',
  innotek: 'virtualbox',
  Parallels: 'parallels',
  IBM: 'ibm',
}

/** What lscpu(1) says, in the C locale, for what `/proc/cpuinfo` and sysfs leave open. */
export function parseLscpu(text: string): Observed {
  const lines = parseColonLines(text)
  const sockets = number(lines.get('Socket(s)') ?? lines.get('Cluster(s)'))
  const coresPerSocket = number(lines.get('Core(s) per socket') ?? lines.get('Core(s) per cluster'))
  const hypervisor = lines.get('Hypervisor vendor')
  return {
    'cpu.vendor': lines.get('Vendor ID'),
    'cpu.brand': lines.get('Model name'),
    'cpu.family': lines.get('CPU family'),
    'cpu.model': lines.get('Model'),
    'cpu.stepping': lines.get('Stepping'),
    'cpu.threads': lines.get('CPU(s)'),
    'cpu.sockets': sockets === undefined ? undefined : String(sockets),
    'cpu.cores': sockets === undefined || coresPerSocket === undefined ? undefined : String(sockets * coresPerSocket),
    'cpu.numa.nodes': lines.get('NUMA node(s)'),
    'cpu.cache.l1d': cacheSize(lines.get('L1d cache')),
    'cpu.cache.l1i': cacheSize(lines.get('L1i cache')),
    'cpu.cache.l2': cacheSize(lines.get('L2 cache')),
    'cpu.cache.l3': cacheSize(lines.get('L3 cache')),
    vm:
      hypervisor === undefined
        ? undefined
        : (vendorNames[hypervisor.split(' ')[0] as string] ?? hypervisor.toLowerCase()),
    'vm.type': lines.get('Virtualization type'),
  }
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

const unitKib: Readonly<Record<string, number>> = { K: 1, M: 1024, G: 1 << 20 }

/**
 * One cache's size as sysfs writes it, such as `32K`. `64 KiB (2 instances)` is a total; `32K` is one already; a total
 * without the number of instances (util-linux 2.34 to 2.36) tells nothing.
 */
function cacheSize(text: string | undefined): string | undefined {
  const match = /^([\d.]+)\s*([KMG])(iB)?(?:\s+\((\d+) instances?\))?$/.exec(text ?? '')
  if (match === null || (match[3] !== undefined && match[4] === undefined)) return undefined
  return `${(Number(match[1]) * (unitKib[match[2] as string] as number)) / Number(match[4] ?? 1)}K`
}
