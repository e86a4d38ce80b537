import { createRegistry } from '../../../shared/registry.ts'
import type { Provider } from '../provider.ts'
import { jax } from './jax.ts'
import { js } from './js.ts'
import { numpy } from './numpy.ts'
import { pytorch } from './pytorch.ts'

/** Every library that `bitfleet backends add` installs; adding one is a file and a line here. */
export const providers: Provider[] = createRegistry('provider', [js, numpy, pytorch, jax])
