import { createRegistry } from '../../shared/registry.ts'
import type { BackendDriver } from './backend.ts'
import { js } from './js.ts'

/** Every backend there is, whether it runs here or not; adding one is a file and a line here. */
export const backends: BackendDriver[] = createRegistry('backend', [
  js,
])
