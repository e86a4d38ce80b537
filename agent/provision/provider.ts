import type { Tensor } from '../../shared/tensor.ts'
import type { InstalledRunner } from './installed.ts'
import type { MachineEmulator, MissingEmulator } from './emulator.ts'
import type { MachinePython } from './python.ts'

/** A file of a package registry, pinned: whoever brings it, it is taken only with these bytes. */
export interface Package {
  /** Who fetches it, as this machine has configured it: registry, proxy, credentials and all. */
  readonly client: 'npm' | 'pip'
  readonly name: string
  readonly version: string
  /** Its file name, as `npm pack` or `pip download` call it; so it stands in a mirror folder. */
  readonly file: string
  /** `sha512-…` in base64, as npm writes it, or `sha256:…` in hex, as pip does. */
  readonly integrity: string
}

/** What decides whether a version is made for a machine. */
export interface Machine {
  /** As Node names them: `linux`, `x64`, … */
  readonly platform: string
  readonly arch: string
  /** Version of glibc; undefined with another C library. */
  readonly glibc?: string
  /** The Python that libraries of Python would run under. */
  readonly python?: MachinePython
  /** What runs programs of Linux on arm64 here, or what is missing for that; left out where nothing has to. */
  readonly arm64?: MachineEmulator | MissingEmulator
}

/** A version that can be added. */
export interface Version {
  /** After the `@`: `22` for the newest 22 there was when it was pinned. */
  readonly id: string
  /** The library's own, exactly. */
  readonly version: string
  /** Everything it is made from. Empty where `unsupported` says why. */
  readonly packages: readonly Package[]
  /** Room it takes once installed, in bytes, roughly. */
  readonly installedBytes: number
  /** Why this machine cannot have it. */
  readonly unsupported?: string
  /** The one command after which it can. */
  readonly add?: string
}

export interface InstallPlace {
  /** `NAME@VERSION`. */
  readonly id: string
  /** The one that the version was chosen for. */
  readonly machine: Machine
  /** Folder of this program's built files, those of the runners among them. */
  readonly program: string
  /** Empty, absolute, and renamed once all is well: nothing in it may name it by its absolute path. */
  readonly folder: string
  /** Where the checked file of one of the version's packages lies; it may be read, and not changed. */
  file(name: string): string
  /**
   * Runs a program of this machine, and gives back its standard output.
   *
   * @param remedy what to do where it is not there
   * @throws `unavailable` where it is not there; `system` with the last lines it said where it fails
   */
  run(command: string, argv: readonly string[], options: RunOptions): Promise<string>
  /** Says what happens now, for whoever waits. */
  say(step: string): void
}

export interface RunOptions {
  readonly remedy: string
  readonly cwd?: string
  /** Set over this process's environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** Bound, in milliseconds; an hour where it is left out. */
  readonly timeMs?: number
  /** Which of its words stand in the error where it fails; the last lines where it is left out. */
  readonly words?: (text: string) => string
}

/** A program of this machine that installing takes. */
export interface NeededProgram {
  readonly command: string
  /** With which it only says that it is there. */
  readonly argv: readonly string[]
  /** What to do where it is not there. */
  readonly remedy: string
}

/** A computation whose result is known: exact in whatever order and width a library computes. */
export interface KnownAnswer {
  readonly title: string
  readonly workload: string
  readonly params: Readonly<Record<string, unknown>>
  readonly seed: string
  /** The user's own arrays that `params` name. */
  readonly inputs: readonly Tensor[]
  /** The outputs that must come out, by name. */
  readonly outputs: Readonly<Record<string, Tensor>>
}

/**
 * Installs a library, any number of versions side by side, each in a folder of its own with a runner of its own. A file
 * of its own in `providers/`, and a line in their list.
 */
export interface Provider {
  /** The backend's name before the `@`. */
  readonly id: string
  readonly title: string
  /** The versions there are, newest first; those that are not made for this machine say why. */
  versions(machine: Machine): readonly Version[]
  /** Started before anything is fetched, so that nobody waits for a gigabyte to hear that a compiler is missing. */
  readonly programs?: readonly NeededProgram[]
  /**
   * Makes a version's folder from its packages, which are there and checked. Reaches for no network.
   *
   * @returns how its runner is started
   */
  install(version: Version, place: InstallPlace): Promise<InstalledRunner>
  /** What the new runner must compute before the version counts as installed; at least one. */
  readonly answers: readonly KnownAnswer[]
}
