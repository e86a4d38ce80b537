import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

// Hosts on one machine: each has name, network, processes and mounts of its own, and may have the machine's file system to
// change as it likes without anything of it reaching the machine. A host is held by a process that ends with its
// standard input, and with it ends all that runs there and every mount and link, even where a test is killed.

export interface Host {
  readonly name: string
  readonly address: string
  /** Where this process finds a file of the host, given by its absolute path there. */
  path(inside: string): string
  /** Runs a command to its end. */
  run(argv: readonly string[], options?: HostCommand): Promise<HostEnd>
  /** Starts a command; whoever started it may wait for its end. It ends with the host. */
  start(argv: readonly string[], options?: HostCommand): ChildProcess
}

export interface HostCommand {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
  readonly limitMs?: number
}

export interface HostEnd {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Network {
  /** @param ownFiles whether it has the machine's files to change as it likes */
  addHost(name: string, options?: { readonly ownFiles?: boolean }): Promise<Host>
  /** From now on every packet from and to a host is lost in silence; both ends keep their carrier, and nothing is reset. */
  cut(host: Host): void
  mend(host: Host): void
  close(): Promise<void>
}

/** For `needs`: what installs the tools. */
export const hostTools = 'apt-get install iproute2 util-linux procps'

/** Why there can be no such hosts here; undefined where there can. */
export function whyNoHosts(): string | undefined {
  if (process.platform !== 'linux') return 'namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'it must be root'
  for (const tool of ['unshare', 'nsenter', 'ip', 'bridge', 'mount', 'chroot', 'pgrep']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `${tool} is not installed`
  }
  if (statSync(process.execPath).dev !== statSync('/').dev) return 'Node.js is not on the file system of /'
  const made = spawnSync('unshare', [
    '--net',
    '--mount',
    '--pid',
    '--fork',
    'ip',
    'link',
    'add',
    'hub',
    'type',
    'bridge',
  ])
  return made.status === 0 ? undefined : `namespaces or bridges are not to be had: ${made.stderr.toString().trim()}`
}

/** A switch in a namespace of its own; hosts are plugged into it. */
export async function createNetwork(): Promise<Network> {
  const holders: Holder[] = []
  const takeHolder = async (name: string) => {
    const holder = await createHolder(name)
    holders.push(holder)
    return holder
  }
  const hub = await takeHolder('hub')
  const inHub = (...argv: string[]) => must(['nsenter', `--target=${hub.pid}`, '--net', ...argv])
  inHub('ip', 'link', 'add', 'hub', 'type', 'bridge')
  inHub('ip', 'link', 'set', 'hub', 'up')
  const ports = new Map<Host, string>()

  const addHost = async (name: string, { ownFiles = false } = {}): Promise<Host> => {
    const holder = await takeHolder(name)
    const number = ports.size + 1
    const port = `port${number}`
    const address = `10.77.0.${number}`
    const inHost = (...argv: string[]) => must(['nsenter', `--target=${holder.pid}`, '--net', ...argv])
    inHub('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder.pid))
    inHub('ip', 'link', 'set', port, 'master', 'hub', 'up')
    inHost('ip', 'link', 'set', 'lo', 'up')
    inHost('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    inHost('ip', 'link', 'set', 'eth0', 'up')
    const root = ownFiles ? mountOwnFiles(holder) : undefined
    const host = createHost(name, address, holder.pid, root)
    ports.set(host, port)
    return host
  }
  const setPort = (host: Host, state: string) =>
    void inHub('bridge', 'link', 'set', 'dev', ports.get(host) as string, 'state', state)

  return {
    addHost,
    cut: (host) => setPort(host, '0'),
    mend: (host) => setPort(host, '3'),
    async close() {
      await Promise.all(holders.toReversed().map((holder) => holder.close()))
    },
  }
}

interface Holder {
  /** Of the first process in the namespaces, as seen from here. */
  readonly pid: number
  /** An empty folder, for mounts inside. */
  readonly folder: string
  close(): Promise<void>
}

const namespaces = ['--net', '--mount', '--pid', '--uts', '--ipc']
const hold = 'echo "$1" > /proc/sys/kernel/hostname; echo ready; exec cat >/dev/null'

async function createHolder(name: string): Promise<Holder> {
  const folder = mkdtempSync(join(tmpdir(), 'bitfleet-host-'))
  // The pipe's end ends `cat`, and the end of the first process of a namespace of processes ends all others in it.
  const child = spawn('unshare', [...namespaces, '--fork', '--kill-child', 'sh', '-c', hold, 'sh', name], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await Promise.race([
    once(child.stdout, 'data'),
    exited.then(() => Promise.reject(new Error('a holder of namespaces ended at once'))),
  ])
  const pid = Number(must(['pgrep', '--parent', String(child.pid)]).trim())
  return {
    pid,
    folder,
    async close() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await exited
      clearTimeout(timer)
      // Never with what is in it: where a mount were left, that would be the machine's.
      rmdirSync(folder)
    },
  }
}

/** The machine's files with a layer over them that takes all changes and is gone with the host. */
function mountOwnFiles({ pid, folder }: Holder): string {
  const root = join(folder, 'root')
  const steps = [
    `mount -t tmpfs -o size=1g none ${folder}`,
    `mkdir ${folder}/upper ${folder}/work ${root}`,
    `mount -t overlay overlay -o lowerdir=/,upperdir=${folder}/upper,workdir=${folder}/work ${root}`,
    `mount -t proc proc ${root}/proc`,
    `mount --rbind /dev ${root}/dev`,
    `mount -t sysfs sysfs ${root}/sys`,
    `mount -t tmpfs none ${root}/run`,
    `mount -t tmpfs none ${root}/tmp`,
  ]
  must(['nsenter', `--target=${pid}`, ...namespaces, 'sh', '-ec', steps.join('\n')])
  return root
}

function createHost(name: string, address: string, pid: number, root: string | undefined): Host {
  const start = (argv: readonly string[], { env = {}, input, cwd }: HostCommand = {}): ChildProcess => {
    const enter = [`--target=${pid}`, ...namespaces]
    const inside = root === undefined ? argv : ['chroot', root, ...argv]
    const child = spawn('nsenter', [...enter, ...inside], {
      cwd: root === undefined ? cwd : '/',
      env: { PATH: process.env.PATH, NODE: process.execPath, HOME: '/root', LANG: 'C', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input ?? '')
    return child
  }
  return {
    name,
    address,
    path: (inside) => `/proc/${pid}/root${root ?? ''}${inside}`,
    start,
    async run(argv, options = {}) {
      const child = start(argv, options)
      const [stdout, stderr] = [collect(child, 'stdout'), collect(child, 'stderr')]
      const timer = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? 60_000)
      const [code] = (await once(child, 'close')) as [number | null]
      clearTimeout(timer)
      return { code, stdout: stdout(), stderr: stderr() }
    },
  }
}

/** What a process has written so far. */
export function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = ''
  child[stream]?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}

function must(argv: readonly string[]): string {
  const [file = '', ...rest] = argv
  const { status, stdout, stderr } = spawnSync(file, rest, { encoding: 'utf8', timeout: 30_000 })
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr || status}`)
  return stdout
}

/** Makes the Debian packages of this build. @param out folder they go to */
export function makePackages(out: string): { agent: string; runners: string } {
  const root = resolve(import.meta.dirname, '../..')
  const built = spawnSync(process.execPath, [join(root, 'deploy/debian/build.mjs'), out], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
  const [agent = '', runners = ''] = built.stdout.split('\n').map((line) => line.replace(/: \d+ bytes$/, ''))
  return { agent, runners }
}
