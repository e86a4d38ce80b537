import { pathToFileURL } from 'node:url'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { createRegistry } from '../../shared/registry.ts'
import { workloads } from '../../workloads/index.ts'
import type { Workload } from '../../workloads/workload.ts'
import type { BackendDriver } from '../backends/backend.ts'
import { backends } from '../backends/index.ts'
import { installedDrivers } from '../backends/installed/index.ts'
import { programDriver } from '../programs/driver.ts'

export interface RunnerRegistry {
  readonly backends: BackendDriver[]
  readonly workloads: Workload[]
}

/**
 * What a runner can run: what is built in, and what modules of this machine's own configuration add. Such a module
 * exports `backends`, `workloads` or both.
 *
 * @param modules absolute paths of ES modules; they never come from the network
 */
export async function loadRegistry(modules: readonly string[]): Promise<RunnerRegistry> {
  const added = await Promise.all(modules.map(loadModule))
  return {
    backends: createRegistry('backend', [...backends, ...added.flatMap((module) => module.backends ?? [])]),
    workloads: createRegistry('workload', [...workloads, ...added.flatMap((module) => module.workloads ?? [])]),
  }
}

/**
 * What the runner of one installed backend can run: that backend alone.
 *
 * @param driver the name before the `@`
 * @param folder absolute path of what was installed
 */
export function installedRegistry(driver: string, id: string, folder: string): RunnerRegistry {
  const found = installedDrivers.find((candidate) => candidate.id === driver)
  if (found === undefined) {
    throw new BitfleetError(
      'usage',
      `this version of Bitfleet has no driver for ${id}; remove it, or install the version of Bitfleet that added it`,
    )
  }
  return { backends: [found.driver(id, folder)], workloads: createRegistry('workload', workloads) }
}

/**
 * What the runner of one listed program can run: that program alone.
 *
 * @param list the file it is listed in
 */
export function programRegistry(list: string, id: string): RunnerRegistry {
  return { backends: [programDriver(list, id)], workloads: createRegistry('workload', workloads) }
}

async function loadModule(path: string): Promise<Partial<RunnerRegistry>> {
  try {
    return (await import(pathToFileURL(path).href)) as Partial<RunnerRegistry>
  } catch (cause) {
    throw new BitfleetError('usage', `runner module ${path} cannot be loaded: ${messageOf(cause)}`, { cause })
  }
}
