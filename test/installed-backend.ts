import { join, resolve } from 'node:path'
import type { BackendDriver } from '../agent/backends/backend.ts'
import { installedDrivers } from '../agent/backends/installed/index.ts'
import { readInstalled } from '../agent/provision/installed.ts'
import { needs } from './needs.ts'

/**
 * The newest installed version of a library in the state folder that `BITFLEET_TEST_STATE` names; undefined, and said
 * loudly, where there is none. Installing one takes hundreds of megabytes, so that no test does it on its own.
 */
export function installedBackend(name: string, newest: string): BackendDriver | undefined {
  const state = process.env.BITFLEET_TEST_STATE ?? ''
  const entries = state === '' ? [] : readInstalled([join(resolve(state), 'backends')])
  const there = entries.filter(({ id, status }) => status === 'installed' && id.startsWith(`${name}@`))
  const found = there.sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true })).at(-1)
  const skip = needs(
    `${name} by the contracts of backends and workloads`,
    found !== undefined,
    state === '' ? 'BITFLEET_TEST_STATE names no state folder' : `${state} has no ${name}`,
    `\`BITFLEET_STATE=/tmp/state npx bitfleet backends add ${name}@${newest}\`, and BITFLEET_TEST_STATE=/tmp/state before the tests,`,
  )
  if (skip || found === undefined) return undefined
  return installedDrivers.find(({ id }) => id === name)?.driver(found.id, found.folder)
}
