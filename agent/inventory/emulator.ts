import { readFile, readlink } from 'node:fs/promises'
import { arch } from 'node:os'
import { basename, join } from 'node:path'
import { type RunCommand, runCommand } from './command.ts'
import { systemRoots } from './roots.ts'

/** What emulates the processor that this process runs on. */
export interface Emulator {
  /** Name and version as it says them: `qemu-aarch64 7.2.22 (Debian 1:7.2+dfsg-7)`. */
  readonly title: string
  /** Absolute path of its program. */
  readonly executable: string
  /** The processor it was told to be, such as `max`; undefined where it was left to choose. */
  readonly cpu?: string
}

interface Places {
  readonly proc?: string
  readonly pid?: number
  readonly run?: RunCommand
}

/**
 * What emulates this process's processor, seen from inside; undefined where nothing does. A user-mode emulator shows its
 * guest the guest's own program as `/proc/self/exe`; the same link of the thread, which it leaves to the kernel, names
 * the emulator. So a whole container of another architecture is seen as well as one runner.
 */
export async function readEmulator(places: Places = {}): Promise<Emulator | undefined> {
  const { proc = systemRoots.proc, pid = process.pid, run = runCommand } = places
  const thread = join(proc, 'self', 'task', String(pid))
  const [shown, executable] = await Promise.all([link(join(proc, 'self', 'exe')), link(join(thread, 'exe'))])
  if (shown === undefined || executable === undefined || shown === executable) return undefined
  const name = basename(executable)
  const said = await run(executable, ['--version'])
  const argv = await readFile(join(thread, 'cmdline'), 'utf8').catch(() => '')
  return { title: titleOf(name, said.status === 'ok' ? said.stdout : ''), executable, cpu: processorOf(name, argv) }
}

async function link(path: string): Promise<string | undefined> {
  return await readlink(path).catch(() => undefined)
}

/** `qemu-aarch64 version 7.2.22 (Debian …)` without the word between. */
function titleOf(name: string, said: string): string {
  const [, own, version] = /^(\S+) version (.+?)\s*$/m.exec(said) ?? []
  return own === undefined ? name : `${own} ${version}`
}

/** What qemu's own `-cpu` says, before the guest's program. */
function processorOf(name: string, argv: string): string | undefined {
  const words = argv.split('\0')
  const at = words.indexOf('-cpu')
  return name.startsWith('qemu-') && at > 0 ? words[at + 1] : undefined
}

/**
 * Facts of an emulated process, over those of the machine: what emulates, and the architecture and C library it has
 * inside. Those of the machine's processor are not its own; see `isProcessorFact`.
 */
export function emulatorFacts({ title, cpu }: Emulator): Record<string, string> {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  const facts: Record<string, string> = { emulator: title, 'os.arch': arch() }
  if (cpu !== undefined) facts['emulator.cpu'] = cpu
  if (header.glibcVersionRuntime !== undefined) facts.libc = `glibc ${header.glibcVersionRuntime}`
  return facts
}
