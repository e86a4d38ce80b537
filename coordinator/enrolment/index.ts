export { type ControlFold, createControlFold, type RegisteredAgent } from './control-state.ts'
export { createRegistry, isBarred, type Registry, standingSentence } from './registry.ts'
