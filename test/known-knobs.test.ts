import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { backends } from '../agent/backends/index.ts'
import { installedDrivers } from '../agent/backends/installed/index.ts'
import { providers } from '../agent/provision/providers/index.ts'
import { publicBackendNames } from '../shared/backend-description.ts'
import { type KnownKnob, knownKnobs } from '../shared/known-knobs.ts'

// The coordinator checks plans for backends that no agent has. It loads no backend, so it has a list of its own.

const ofPython = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../agent/runners/python/bitfleet/backends/descriptions.json'), 'utf8'),
) as Record<string, { knobs: KnownKnob[] }>

const described: [string, readonly KnownKnob[]][] = [
  ...backends.map(({ id, knobs }): [string, readonly KnownKnob[]] => [id, knobs]),
  ...installedDrivers.map(({ id, driver }): [string, readonly KnownKnob[]] => [
    id,
    driver(`${id}@1`, '/nowhere').knobs,
  ]),
  ...Object.entries(ofPython).map(([id, { knobs }]): [string, readonly KnownKnob[]] => [id, knobs]),
]

it.each(described)('the coordinator knows the knobs that %s describes, and no others', (id, knobs) => {
  expect(knownKnobs[id]).toEqual(knobs.map(({ name, pattern, values }) => ({ name, pattern, values })))
})

it('the coordinator knows the knobs of exactly the backends that an agent can have', () => {
  const all = new Set([...described.map(([id]) => id), ...providers.map(({ id }) => id)])
  expect(Object.keys(knownKnobs).sort()).toEqual([...all].sort())
  expect(publicBackendNames).toEqual(expect.arrayContaining([...all]))
})
