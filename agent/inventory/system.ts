import { access } from 'node:fs/promises'
import { arch, hostname, platform, release } from 'node:os'
import { join } from 'node:path'
import type { RunCommand } from './command.ts'
import { type Observed, parseAssignments } from './observed.ts'
import { type Roots, readNames, readText } from './roots.ts'

/** @param text of os-release(5). */
export function parseOsRelease(text: string): Observed {
  const lines = parseAssignments(text)
  return { 'os.id': lines.get('ID'), 'os.version': lines.get('VERSION_ID'), 'os.name': lines.get('PRETTY_NAME') }
}

/** Memory in whole GiB: the kernel's own share differs by a few pages between boots. @param text of `/proc/meminfo`. */
export function parseMemory(text: string): Observed {
  const kib = Number(/^MemTotal:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0)
  return { 'memory.total': kib === 0 ? undefined : `${Math.max(1, Math.round(kib / 2 ** 20))} GiB` }
}

/** What a machine shows of a hypervisor. */
export interface VirtualizationSigns {
  /** `cpu.flags.hypervisor`. */
  readonly hypervisorFlag: boolean
  readonly systemVendor?: string | undefined
  readonly systemProduct?: string | undefined
  /** `/sys/hypervisor/type`. */
  readonly hypervisorType?: string | undefined
}

const virtualMachines: readonly [RegExp, string][] = [
  [/amazon ec2/i, 'amazon-ec2'],
  [/google compute engine|^google$/i, 'google-compute-engine'],
  [/microsoft.*virtual machine|hyper-v/i, 'hyper-v'],
  [/vmware/i, 'vmware'],
  [/virtualbox|innotek/i, 'virtualbox'],
  [/parallels/i, 'parallels'],
  [/apple virtualization/i, 'apple'],
  [/qemu|kvm|openstack|rhev|ovirt|bochs/i, 'kvm'],
  [/xen/i, 'xen'],
]

/** The hypervisor under this machine, `unknown` where its name cannot be told, or undefined where there is no sign. */
export function nameVirtualMachine(signs: VirtualizationSigns): string | undefined {
  if (signs.hypervisorType !== undefined) return signs.hypervisorType
  const board = `${signs.systemVendor ?? ''} ${signs.systemProduct ?? ''}`
  const name = virtualMachines.find(([pattern]) => pattern.test(board))?.[1]
  // Clouds sell bare machines under the same name: there the processor shows no hypervisor.
  if (name !== undefined && (signs.hypervisorFlag || !/amazon|google/.test(name))) return name
  return signs.hypervisorFlag ? 'unknown' : undefined
}

/** What a process sees of a container around it. */
export interface ContainerSigns {
  readonly dockerEnvironment: boolean
  /** Text of `/run/.containerenv`. */
  readonly containerEnvironment: boolean
  readonly cgroup: string
  readonly kubernetes: boolean
}

export function nameContainer(signs: ContainerSigns): string {
  if (signs.kubernetes || /kubepods/.test(signs.cgroup)) return 'kubernetes'
  if (signs.containerEnvironment || /libpod/.test(signs.cgroup)) return 'podman'
  if (signs.dockerEnvironment || /\bdocker\b|docker-[0-9a-f]{12}/.test(signs.cgroup)) return 'docker'
  if (/\blxc\b|lxc\.payload/.test(signs.cgroup)) return 'lxc'
  if (/containerd|garden|actions_job/.test(signs.cgroup)) return 'other'
  return 'none'
}

/** The C library: glibc, or musl by its loader. */
export async function readLibc(run: RunCommand, folder = '/lib'): Promise<string | undefined> {
  const glibc = await run('getconf', ['GNU_LIBC_VERSION'])
  if (glibc.status === 'ok' && /^glibc \S+/.test(glibc.stdout)) return glibc.stdout.trim()
  const musl = (await readNames(folder)).find((name) => /^ld-musl-.*\.so\.1$/.test(name))
  if (musl === undefined) return undefined
  // Without arguments the loader prints its version and ends with an error.
  const loader = await run(join(folder, musl), [])
  const said = loader.status === 'ok' ? loader.stderr : loader.status === 'failed' ? loader.reason : ''
  return `musl ${/Version (\S+)/.exec(said)?.[1] ?? 'unknown'}`
}

/** Operating system, kernel, C library, memory, hypervisor and container. */
export async function readSystem(roots: Roots, run: RunCommand, cpuAndBoard: Observed): Promise<Observed> {
  const osRelease = (await readText(roots.etc, 'os-release')) ?? ''
  const memory = parseMemory((await readText(roots.proc, 'meminfo')) ?? '')
  const controllers = (await readNames(roots.sys, 'devices/system/edac/mc')).filter((name) => /^mc\d+$/.test(name))
  const vm =
    nameVirtualMachine({
      hypervisorFlag: cpuAndBoard['cpu.flags.hypervisor'] === 'yes',
      systemVendor: cpuAndBoard['board.system.vendor'],
      systemProduct: cpuAndBoard['board.system.product'],
      hypervisorType: await readText(roots.sys, 'hypervisor/type'),
    }) ?? 'none'
  const container = nameContainer({
    dockerEnvironment: await exists('/.dockerenv'),
    containerEnvironment: await exists('/run/.containerenv'),
    cgroup: (await readText(roots.proc, 'self/cgroup')) ?? '',
    kubernetes: await exists('/var/run/secrets/kubernetes.io'),
  })
  return {
    ...parseOsRelease(osRelease),
    ...memory,
    'memory.ecc': controllers.length > 0 ? 'yes' : undefined,
    'os.platform': platform(),
    'os.arch': arch(),
    kernel: release(),
    libc: await readLibc(run),
    // What lscpu read from the processor itself is better than not knowing.
    vm: vm === 'unknown' || vm === 'none' ? (cpuAndBoard.vm ?? vm) : vm,
    'vm.container': container,
    hostname: hostname(),
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
