import type * as tfjs from '@tensorflow/tfjs-core'
import type { BackendDescription, KnobDescription } from '../../shared/backend-description.ts'
import type { Knobs } from '../../shared/condition.ts'
import type { Note } from '../../shared/execution.ts'
import type { Facts } from '../../shared/facts.ts'
import type { Kernels } from '../../workloads/kernels.ts'
import type { ListedProgram } from '../../workloads/workload.ts'
import type { Tell } from '../programs/said.ts'

export interface Effective {
  readonly settings: Facts
  /** By knob: why the library has another value than it was asked for, or why it does not tell. */
  readonly reasons?: Facts
  readonly facts: Facts
  readonly notes: readonly Note[]
}

/** A library that computes, opened under one condition, inside a runner process. */
export interface Backend {
  readonly version: string
  readonly kernels: Partial<Kernels>
  /** The tfjs API with this backend in force. */
  readonly tf?: typeof tfjs
  /** Where this is a listed program; what it says of itself while it runs is told as it comes, and in the end all. */
  readonly program?: {
    readonly name: string
    run(...run: [...Parameters<ListedProgram['run']>, tell: Tell]): Promise<void>
  }
  /**
   * What is in force, read back from the library and not echoed from the request. `settings` are named as the knobs
   * they answer, and stand there for knobs that are left out, too; `facts` are `pool.*`, `lib.*` and the like.
   */
  effective(): Promise<Effective>
  close(): Promise<void>
}

/** One entry of the registry: a file of its own that imports its library only inside `detect` and `open`. */
export interface BackendDriver {
  readonly id: string
  readonly title: string
  readonly kernels: readonly string[]
  readonly knobs: readonly KnobDescription[]
  /** It computes in a process of its own, so that what a runner sees of itself says nothing of it. */
  readonly elsewhere?: true
  /** Whether it runs here, at what version; or why not, and the one command that adds it. */
  detect(): Promise<Pick<BackendDescription, 'status' | 'version' | 'reason' | 'add'>>
  /** Opens the library under the knobs. Those applied by environment or arguments are in force already. */
  open(knobs: Knobs): Promise<Backend>
}
