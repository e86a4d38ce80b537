import type { z } from 'zod'
import { findArray } from '../shared/array-identity.ts'
import { BitfleetError, messageOf } from '../shared/errors.ts'
import { elementCount, type Tensor } from '../shared/tensor.ts'
import { type Computed, type Kernels, isUnsupported, unsupported } from './kernels.ts'
import { type FindShape, type Operand, reshaped } from './operand.ts'
import { maxElements } from './params.ts'
import type { CheckpointSpec, ReferenceCondition, SchemedWorkload } from './workload.ts'

/** A workload that is one call of one kernel: operands in, one result out. */
export interface KernelWorkload<Params, Operands extends readonly [Operand, ...Operand[]]> {
  readonly id: string
  readonly version: number
  readonly title: string
  readonly summary: string
  readonly params: z.ZodType<Params>
  readonly kernel: keyof Kernels
  readonly correctlyRounded?: ReferenceCondition
  /** @throws `usage` if the user's arrays do not fit the parameters or each other */
  operands(params: Params, find: FindShape): Operands
  resultShape(operands: Operands): readonly number[]
  compute(kernels: Kernels, tensors: { readonly [Index in keyof Operands]: Tensor }, params: Params): Computed
}

const unknownArray = new Error('an array whose shape is not known')

/**
 * The operands are the first checkpoints, each named after its stream; the result is the last, named by the last part
 * of the workload's id. All are of step 0, at every granularity.
 */
export function createKernelWorkload<Params, const Operands extends readonly [Operand, ...Operand[]]>(
  definition: KernelWorkload<Params, Operands>,
): SchemedWorkload<Params> {
  const { id, version, title, summary, kernel, correctlyRounded } = definition
  const resultName = id.slice(id.lastIndexOf('.') + 1)
  const specsOf = (params: Params, find: FindShape): CheckpointSpec[] => {
    const operands = definition.operands(params, find)
    const specs: CheckpointSpec[] = operands.map(({ name, dtype, shape, digest }) => ({
      ...{ step: 0, name, dtype, shape, role: 'input' },
      ...(digest === undefined ? {} : { digest }),
    }))
    const { dtype } = operands[0]
    specs.push({ step: 0, name: resultName, dtype, shape: definition.resultShape(operands), role: 'output' })
    for (const { name, shape } of specs) {
      if (elementCount(shape) <= maxElements) continue
      throw new BitfleetError(
        'usage',
        `${name} would have the shape [${shape.join(', ')}]; a tensor has at most ${maxElements} elements`,
      )
    }
    return specs
  }
  return {
    id,
    version,
    title,
    summary,
    params: definition.params.superRefine((params, context) => {
      if (context.issues.length > 0) return
      try {
        specsOf(params, () => {
          throw unknownArray
        })
      } catch (error) {
        // What depends on the user's arrays is known once their shapes are.
        if (error === unknownArray) return
        context.addIssue({ code: 'custom', message: messageOf(error) })
      }
    }),
    ...(correctlyRounded === undefined ? {} : { correctlyRounded }),
    schema(written, inputs) {
      const params = definition.params.parse(written)
      return specsOf(params, (array) => findArray(inputs, array))
    },
    async run(context) {
      if (!context.kernels[kernel]) return unsupported(`${context.backend} has no kernel ${kernel}`)
      const params = definition.params.parse(context.params)
      const operands = definition.operands(params, (array) => context.input(array))
      const tensors = operands.map((operand) => {
        const tensor = operand.make(context.seed, (array) => context.input(array))
        context.checkpoint(0, operand.name, tensor)
        return tensor
      }) as { [Index in keyof Operands]: Tensor }
      const result = await definition.compute(context.kernels as Kernels, tensors, params)
      if (isUnsupported(result)) return result
      if (result.dtype !== operands[0].dtype) {
        throw new BitfleetError('workload', `${id}: kernel ${kernel} of ${context.backend} gave ${result.dtype}`)
      }
      context.checkpoint(0, resultName, reshaped(result, definition.resultShape(operands)))
      return undefined
    },
  }
}
