import type { ReferenceCondition } from './workload.ts'

/** Backend `js` adds exactly and rounds once, so that the result of sums, of sums of products and of their roots is the nearest value. */
export const exactOrder: ReferenceCondition = { backend: 'js', knob: 'order', value: 'exact' }
