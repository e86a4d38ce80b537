import { describe, expect, it } from 'vitest'
import type { BackendDriver } from '../../agent/backends/backend.ts'
import { backends } from '../../agent/backends/index.ts'
import { installedDrivers } from '../../agent/backends/installed/index.ts'
import { createRegistry } from '../../shared/registry.ts'
import { backendContract } from './backend.ts'

// Of what can be installed, as far as it goes where nothing is; test/e2e/backends.test.ts runs it with the library.
const drivers = [...backends, ...installedDrivers.map(({ id, driver }) => driver(`${id}@1`, '/not-there'))]
const statuses = new Map<BackendDriver, 'ready' | 'unavailable'>()
for (const driver of drivers) statuses.set(driver, (await driver.detect()).status)

describe.each([...statuses].map(([driver, status]) => [driver.id, status, driver] as const))(
  'backend %s (%s here)',
  (_, status, driver) => {
    backendContract(driver, status)
  },
)

it('the registry of backends refuses an id listed twice', () => {
  expect(() => createRegistry('backend', [...backends, backends[0] as BackendDriver])).toThrow(/"js" is listed twice/)
})
