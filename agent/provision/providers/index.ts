import { createRegistry } from '../../../shared/registry.ts'
import type { Provider } from '../provider.ts'
import { jax } from './jax.ts'
import { js } from './js.ts'
import { numpy } from './numpy.ts'
import { onnxruntime } from './onnxruntime.ts'
import { pytorch } from './pytorch.ts'
import { tensorflow, tensorflowGpu } from './tensorflow.ts'

/** Every library that `bitfleet backends add` installs; adding one is a file and a line here. */
export const providers: Provider[] = createRegistry('provider', [
  js,
  onnxruntime,
  tensorflow,
  tensorflowGpu,
  numpy,
  pytorch,
  jax,
])
