import type * as tfjs from '@tensorflow/tfjs-core'
import type { z } from 'zod'
import type { ArrayIdentity, ArrayReference } from '../shared/array-identity.ts'
import type { DType, Tensor } from '../shared/tensor.ts'
import type { Kernels, Unsupported } from './kernels.ts'

export const granularities = ['end', 'epoch', 'step', 'operation'] as const
export type Granularity = (typeof granularities)[number]

/** One place of a checkpoint schema. Inputs come first; outputs are the final tensors a report names. */
export interface CheckpointSpec {
  readonly step: number
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly role: 'input' | 'intermediate' | 'output'
  /** Where it is known before anything runs: of a user's own array. */
  readonly digest?: string
}

/** What the coordinator must know of a workload: no kernels, no library. */
export interface WorkloadDescription<Params = Record<string, unknown>> {
  /** Such as `reduce.sum`. */
  readonly id: string
  /** Raised by any change that alters any of its bits or its schema. */
  readonly version: number
  readonly title: string
  /** One paragraph for a report's reader: what is computed, from what, and where methods come from. */
  readonly summary: string
  /** What a plan may say; unknown keys are refused. */
  readonly params: z.ZodType<Params>
  /** What computes its correctly rounded result, where something does. */
  readonly correctlyRounded?: ReferenceCondition
  /**
   * The checkpoints it makes, in order, at the granularity the parameters ask for. `inputs` holds the dtype and shape
   * of each of the user's own arrays. Left out by a workload whose checkpoints are known once they are made: they
   * keep to `shared/places.ts`.
   */
  schema?(params: Params, inputs?: InputShapes): CheckpointSpec[]
}

/** A backend, whichever of its versions, with one knob at one value. */
export interface ReferenceCondition {
  readonly backend: string
  readonly knob: string
  readonly value: string
}

/** The user's own arrays that a plan names, without their bytes. */
export type InputShapes = readonly ArrayIdentity[]

/** What a workload is given to run on. */
export interface WorkloadContext<Params = Record<string, unknown>> {
  readonly params: Params
  /** Decimal. */
  readonly seed: string
  readonly backend: string
  readonly kernels: Partial<Kernels>
  /** The tfjs API on the condition's backend, for workloads written against it. */
  readonly tf?: typeof tfjs
  /** A user's own array, as the parameters name it. */
  input(array: ArrayReference): Tensor
  /** Where the backend is a listed program. */
  readonly program?: ListedProgram
  /**
   * Hands over the next checkpoint of the schema; its step, name, dtype and shape must be the schema's, and so is its
   * role. Without a schema `role` is what it is said to be.
   */
  checkpoint(step: number, name: string, tensor: Tensor, role?: CheckpointSpec['role']): void
  /** Told of a kernel that this workload computes in another way than by the library's own; the report says so. */
  readonly substituted?: (kernel: string, message: string) => void
}

/** A program that the machine's owner lets plans run. */
export interface ListedProgram {
  readonly name: string
  /** Runs it once, to its end. @throws where it fails, or is not what is listed */
  run(
    parameters: Readonly<Record<string, string | number | boolean>>,
    seed: string,
    checkpoint: WorkloadContext['checkpoint'],
  ): Promise<void>
}

/** A workload whose checkpoints are known beforehand. */
export type SchemedWorkload<Params = Record<string, unknown>> = Workload<Params> &
  Required<Pick<WorkloadDescription<Params>, 'schema'>>

/** A versioned, seeded, pure program: (parameters, seed) to named tensors. */
export interface Workload<Params = Record<string, unknown>> extends WorkloadDescription<Params> {
  /** Resolves to nothing when every checkpoint of the schema was made, or to why this backend cannot. */
  run(context: WorkloadContext<Params>): Promise<Unsupported | undefined> | Unsupported | undefined
}
