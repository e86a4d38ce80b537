import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

// Hosts on one machine: each has name, network, processes and mounts of its own, and may have the machine's file system to
// change as it likes without anything of it reaching the machine. A host is held by a process that ends with its
// standard input, and with it ends all that runs there and every mount and link, even where a test is killed. A host
// may be booted: systemd runs in it then, and in it the units.

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

export interface HostOptions {
  /** Whether it has the machine's files to change as it likes. */
  readonly ownFiles?: boolean
  /** Whether systemd runs there; it has files of its own then. */
  readonly systemd?: boolean
}

export interface Network {
  addHost(name: string, options?: HostOptions): Promise<Host>
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
  for (const tool of ['unshare', 'nsenter', 'ip', 'bridge', 'mount', 'pivot_root', 'pgrep']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `${tool} is not installed`
  }
  if (statSync(process.execPath).dev !== statSync('/').dev) return 'Node.js is not on the file system of /'
  if (cgroupRoot() === undefined) return 'control groups are not of the second version'
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
  const takeHolder = async (name: string, options: HostOptions = {}) => {
    const holder = await createHolder(name, options)
    holders.push(holder)
    return holder
  }
  const hub = await takeHolder('hub')
  const inHub = (...argv: string[]) => must(['nsenter', `--target=${hub.pid}`, '--net', ...argv])
  inHub('ip', 'link', 'add', 'hub', 'type', 'bridge')
  inHub('ip', 'link', 'set', 'hub', 'up')
  const ports = new Map<Host, string>()

  const addHost = async (name: string, options: HostOptions = {}): Promise<Host> => {
    const { pid } = await takeHolder(name, options)
    const number = ports.size + 1
    const port = `port${number}`
    const address = `10.77.0.${number}`
    const inHost = (...argv: string[]) => must(['nsenter', `--target=${pid}`, '--net', ...argv])
    inHub('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid))
    inHub('ip', 'link', 'set', port, 'master', 'hub', 'up')
    inHost('ip', 'link', 'set', 'lo', 'up')
    inHost('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    inHost('ip', 'link', 'set', 'eth0', 'up')
    const host = createHost(name, address, pid)
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
  close(): Promise<void>
}

const namespaces = ['--net', '--mount', '--pid', '--uts', '--ipc', '--cgroup']

/**
 * Waits for the end of its standard input, or of the first process of new namespaces, and ends that. The end of the
 * first process of a namespace of processes ends all others in it, and with the last goes every mount and link.
 */
const holding = `
echo $$ > "$cgroup/cgroup.procs"
unshare ${namespaces.join(' ')} --propagation private --fork --kill-child sh -ec "$inside" < /dev/null > "$said" 2>&1 &
echo $!
cat > /dev/null
exec 2> /dev/null
kill -9 $!
wait $! || true
echo $$ > "$cgroup/../cgroup.procs"
for attempt in $(seq 100); do
  # What was killed may take a moment to be gone.
  find "$cgroup" -depth -type d -exec rmdir {} + && break
  sleep 0.1
done
# Never with what is in it: where a mount were left, that would be the machine's.
rm -f "$said"
rmdir "$folder"
`

const naming = 'echo "$name" > /proc/sys/kernel/hostname\n'
const repository = resolve(import.meta.dirname, '../..')
/** Where a host with files of its own has the repository, too, to be read: services see no other's `/tmp`. */
export const hostRepository = '/srv/bitfleet-repository'
/** A host's own `/tmp` hides a repository that lies in the machine's: there it gets a layer of its own, as all else has. */
const showHidden = (folder: string) => `mkdir ${folder}/upper-repository ${folder}/work-repository
mkdir -p ".${repository}"
mount -t overlay overlay -o lowerdir=${repository},upperdir=${folder}/upper-repository,workdir=${folder}/work-repository ".${repository}"
`
const showRepository = (folder: string) => `mkdir -p ".${hostRepository}"
mount --bind "${repository}" ".${hostRepository}"
mount -o remount,bind,ro ".${hostRepository}"
${repository.startsWith('/tmp/') ? showHidden(folder) : ''}`
/** The machine's files with a layer over them that takes all changes and is gone with the host. */
const ownFilesUnder = (folder: string) => `${naming}
mount -t tmpfs -o size=1g none ${folder}
cd ${folder}
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=${folder}/upper,workdir=${folder}/work root
cd root
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs none run
mount -t tmpfs none tmp
${showRepository(folder)}echo "127.0.0.1 localhost $name" > etc/hosts
echo "$name" > etc/hostname
mkdir .machine
pivot_root . .machine
umount -l .machine
`
/** Units that the machine has enabled are none of the host's. */
const booting = `
rm -f /etc/systemd/system/*.wants/*
exec env -i container=bitfleet PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --unit=basic.target --log-target=kmsg
`

async function createHolder(name: string, { ownFiles, systemd }: HostOptions): Promise<Holder> {
  const folder = mkdtempSync(join(tmpdir(), 'bitfleet-host-'))
  const cgroup = join(cgroupRoot() ?? '', folder.split('/').at(-1) ?? '')
  mkdirSync(cgroup)
  const said = join(folder, 'said')
  const files = ownFiles === true || systemd === true ? ownFilesUnder(folder) : naming
  const inside = `echo ready > /proc/self/fd/1\n${files}${systemd === true ? booting : 'exec sleep infinity'}`
  const child = spawn('sh', ['-ec', holding], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, inside, name, cgroup, folder, said },
  })
  const exited = once(child, 'exit')
  const [unshared] = (await once(child.stdout, 'data')) as [Buffer]
  const close = async () => {
    child.stdin.end()
    await exited
  }
  const steady = systemd === true ? 'systemd' : 'sleep'
  const deadline = performance.now() + 10_000
  for (;;) {
    const { stdout } = spawnSync('pgrep', ['--parent', unshared.toString().trim()], { encoding: 'utf8' })
    const pid = Number(stdout.trim() || Number.NaN)
    // The first process has become what it stays.
    if (pid > 0 && commandOf(pid) === steady) return { pid, close }
    if (performance.now() > deadline) {
      const why = existsSync(said) ? readFileSync(said, 'utf8') : 'it was not made'
      await close()
      throw new Error(`the host ${name} does not start: ${why}`)
    }
    await delay(20)
  }
}

function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Where the second version of control groups is mounted. */
function cgroupRoot(): string | undefined {
  return /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/mounts', 'utf8'))?.[1]
}

function createHost(name: string, address: string, pid: number): Host {
  const start = (argv: readonly string[], { env = {}, input, cwd }: HostCommand = {}): ChildProcess => {
    const child = spawn('nsenter', [`--target=${pid}`, ...namespaces, ...argv], {
      cwd,
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
    path: (inside) => `/proc/${pid}/root${inside}`,
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
