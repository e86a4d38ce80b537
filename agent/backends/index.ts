import { createRegistry } from '../../shared/registry.ts'
import type { BackendDriver } from './backend.ts'
import { blis } from './blis.ts'
import { js } from './js.ts'
import { libm } from './libm.ts'
import { openblas } from './openblas.ts'
import { tensorflowGpu } from './tensorflow.ts'
import { tfjsCpu } from './tfjs-cpu.ts'
import { tfjsWasm } from './tfjs-wasm.ts'

/** Every backend there is, whether it runs here or not; adding one is a file and a line here. */
export const backends: BackendDriver[] = createRegistry('backend', [
  js,
  tfjsCpu,
  tfjsWasm,
  tensorflowGpu,
  libm,
  openblas,
  blis,
])
