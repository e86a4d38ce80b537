import { describe, expect, it } from 'vitest'
import { cachedPath } from '../fetch.ts'
import { tensorflow, tensorflowGpu } from './tensorflow.ts'

const machine = { platform: 'linux', arch: 'x64', glibc: '2.36' }

describe.each([
  [tensorflow.id, tensorflow],
  [tensorflowGpu.id, tensorflowGpu],
])('provider %s', (_, provider) => {
  it('pins each version once, newest first, every package by its bytes', () => {
    const versions = provider.versions(machine)
    const ids = versions.map(({ id }) => id)
    expect(ids).toEqual(ids.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true })))
    expect(new Set(ids).size).toBe(ids.length)
    for (const { packages, unsupported, version } of versions) {
      expect(unsupported).toBeUndefined()
      expect(new Set(packages.map(({ integrity }) => integrity)).size).toBe(packages.length)
      for (const pinned of packages)
        expect(cachedPath('/cache', pinned)).toMatch(/^\/cache\/sha(256|512)-[0-9a-f]{64,}\//)
      expect(packages[0]?.file).toContain(`-${version}-`)
    }
  })

  it.each([
    [{ platform: 'linux', arch: 'arm64', glibc: '2.36' }, 'this is linux on arm64'],
    [{ platform: 'darwin', arch: 'arm64' }, 'this is darwin on arm64'],
    [{ platform: 'linux', arch: 'x64' }, 'has another C library'],
    [{ platform: 'linux', arch: 'x64', glibc: '2.12' }, 'has glibc 2.12'],
  ])('says why a machine cannot have it: %j', (other, reason) => {
    for (const { packages, unsupported } of provider.versions(other)) {
      expect(packages).toEqual([])
      expect(unsupported).toContain(reason)
    }
  })
})

it('asks for a newer glibc only where the wheel does', () => {
  const versions = tensorflow.versions({ ...machine, glibc: '2.17' })
  expect(versions.filter(({ unsupported }) => unsupported !== undefined).map(({ id }) => id)).toEqual(['2.21.0'])
})
