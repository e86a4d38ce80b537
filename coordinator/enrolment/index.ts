export { type ControlFold, createControlFold, type RegisteredAgent } from './control-state.ts'
export { barredError, createRegistry, isBarred, type Registry, standingSentence, unknownSentence } from './registry.ts'
