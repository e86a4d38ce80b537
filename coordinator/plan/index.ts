export { expandPlan } from './expand.ts'
export { collectInputs } from './inputs.ts'
export { parsePlan } from './parse.ts'
export type { Plan } from './plan.ts'
