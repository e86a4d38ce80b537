import { tallyPlain } from './plain.ts'
import { createSimdTally } from './simd.ts'
import type { TallyFunction } from './tally.ts'

let chosen: TallyFunction | undefined

/** The fast kernel, or the plain one on a processor that cannot run it. Both give the same bits. */
export const tally: TallyFunction = (dtype, a, b) => {
  chosen ??= createSimdTally() ?? tallyPlain
  return chosen(dtype, a, b)
}
