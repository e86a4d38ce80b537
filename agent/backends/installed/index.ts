import { createRegistry } from '../../../shared/registry.ts'
import type { BackendDriver } from '../backend.ts'
import { installedJs } from './js.ts'
import { onnxruntime } from './onnxruntime.ts'
import { installedTensorflow, installedTensorflowGpu } from './tensorflow.ts'

/** A driver of a library that `bitfleet backends add` installs, any number of versions side by side. */
export interface InstalledDriver {
  /** The name before the `@`. */
  readonly id: string
  /**
   * The driver of one version.
   *
   * @param id such as `js@22`
   * @param folder absolute path of what was installed; imported from inside `detect` and `open` alone
   */
  driver(id: string, folder: string): BackendDriver
}

/** Every one there is; adding one is a file and a line here, and a provider in `agent/provision/providers/`. */
export const installedDrivers: InstalledDriver[] = createRegistry('installed driver', [
  installedJs,
  onnxruntime,
  installedTensorflow,
  installedTensorflowGpu,
])
