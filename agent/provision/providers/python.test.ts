import { describe, expect, it } from 'vitest'
import { pythonDescriptions } from '../../../test/python-descriptions.ts'
import type { Machine, Provider } from '../provider.ts'
import { parsePinnedWheels } from '../wheel-name.ts'
import { jax } from './jax.ts'
import { numpy } from './numpy.ts'
import { pinnedWheels } from './python-wheels.ts'
import { pytorch } from './pytorch.ts'

const machine = (tag: string | undefined, changes: Partial<Machine> = {}): Machine => ({
  ...{ platform: 'linux', arch: 'x64', glibc: '2.36' },
  python: tag === undefined ? undefined : { executable: '/usr/bin/python3', version: '3', tag },
  ...changes,
})

const filesOf = (provider: Provider, id: string, on: Machine) =>
  provider
    .versions(on)
    .find((version) => version.id === id)
    ?.packages.map(({ file }) => file)

const whyNot = (provider: Provider, id: string, on: Machine) =>
  provider.versions(on).find((version) => version.id === id)?.unsupported

describe('the pinned wheels', () => {
  const wheels = parsePinnedWheels(pinnedWheels)

  it('are wheels, each once, with a digest', () => {
    expect(wheels.length).toBeGreaterThan(60)
    expect(new Set(wheels.map(({ file }) => file)).size).toBe(wheels.length)
    for (const { name, version, sha256, tags } of wheels) {
      expect(name).toMatch(/^\w+$/)
      expect(version).toMatch(/^\d/)
      expect(sha256).toMatch(/^[0-9a-f]{64}$/)
      expect(tags.platforms.length).toBeGreaterThan(0)
    }
  })

  it.each([numpy, pytorch, jax])('make every version of $id for some Python on x64', (provider) => {
    const tags = ['cp310', 'cp311', 'cp312', 'cp313']
    for (const { id } of provider.versions(machine('cp311'))) {
      const made = tags.filter((tag) => whyNot(provider, id, machine(tag)) === undefined)
      expect(made.length, id).toBeGreaterThanOrEqual(3)
    }
    for (const tag of tags) {
      const made = provider.versions(machine(tag)).filter(({ unsupported }) => unsupported === undefined)
      expect(made.length, tag).toBeGreaterThanOrEqual(2)
    }
    expect(pythonDescriptions).toHaveProperty(provider.id)
  })
})

describe('the wheels of a version', () => {
  it("are chosen for the machine's Python and processor", () => {
    expect(filesOf(numpy, '1.26.4', machine('cp312'))).toEqual([
      'numpy-1.26.4-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    ])
    expect(filesOf(numpy, '2.3.5', machine('cp311', { arch: 'arm64' }))).toEqual([
      'numpy-2.3.5-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl',
    ])
    expect(filesOf(jax, '0.6.2', machine('cp313'))).toHaveLength(6)
  })

  it.each([
    [numpy, '1.26.4', machine('cp313'), /numpy==1\.26\.4 is pinned for .*cp312.*, and this is cp313 on linux x64/],
    [numpy, '2.3.5', machine('cp313t'), /this is cp313t/],
    [numpy, '2.3.5', machine('cp311', { glibc: '2.17' }), /with glibc 2\.17/],
    [numpy, '2.3.5', machine('cp311', { glibc: undefined }), /without glibc/],
    [numpy, '2.3.5', machine('cp311', { platform: 'darwin', arch: 'arm64' }), /on darwin arm64/],
    [numpy, '2.3.5', machine(undefined), /no 64-bit Python answers to python3; .*BITFLEET_PYTHON/],
    [pytorch, '2.13.0', machine('cp311', { arch: 'arm64' }), /torch==2\.13\.0 is pinned for .*x86_64/],
  ])('are not there for every machine (%#)', (provider, id, on, reason) => {
    expect(whyNot(provider, id, on)).toMatch(reason)
    expect(filesOf(provider, id, on)).toEqual([])
  })
})
