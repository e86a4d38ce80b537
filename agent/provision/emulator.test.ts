import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findEmulator } from './emulator.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-find-emulator-'))
const [bin, dynamic, prefix, half] = ['bin', 'dynamic', 'prefix', 'half'].map((name) => join(folder, name)) as [
  ...[string, string, string, string],
]
beforeAll(() => {
  for (const place of [bin, dynamic, join(prefix, 'lib'), join(half, 'lib')]) mkdirSync(place, { recursive: true })
  writeFileSync(join(bin, 'qemu-aarch64-static'), '', { mode: 0o755 })
  writeFileSync(join(dynamic, 'qemu-aarch64'), '', { mode: 0o755 })
  writeFileSync(join(dynamic, 'qemu-aarch64-static'), '', { mode: 0o644 })
  const names = ['ld-linux-aarch64.so.1', 'libc.so.6', 'libm.so.6', 'libgcc_s.so.1', 'libstdc++.so.6', 'libatomic.so.1']
  for (const name of names) writeFileSync(join(prefix, 'lib', name), '')
  for (const name of names.slice(0, 4)) writeFileSync(join(half, 'lib', name), '')
})
afterAll(() => rmSync(folder, { recursive: true }))

describe("this machine's emulator of arm64", () => {
  it('is the first that can be started, and finds its libraries', () => {
    expect(findEmulator({ PATH: `relative:/nowhere:${bin}`, QEMU_LD_PREFIX: prefix })).toEqual({
      executable: join(bin, 'qemu-aarch64-static'),
      prefix,
    })
    expect(findEmulator({ PATH: dynamic, QEMU_LD_PREFIX: prefix })).toMatchObject({
      executable: join(dynamic, 'qemu-aarch64'),
    })
  })

  it('says all that is missing, and the packages that have it', () => {
    expect(findEmulator({ PATH: '', QEMU_LD_PREFIX: prefix })).toEqual({
      missing: 'no qemu-aarch64-static or qemu-aarch64 in PATH',
      add: 'apt-get install qemu-user-static',
    })
    expect(findEmulator({ PATH: bin, QEMU_LD_PREFIX: half })).toEqual({
      missing: `no libstdc++.so.6, libatomic.so.1 for arm64 in ${half}/lib`,
      add: 'apt-get install libstdc++6-arm64-cross libatomic1-arm64-cross',
    })
    expect(findEmulator({ QEMU_LD_PREFIX: join(folder, 'none') })).toEqual({
      missing: expect.stringMatching(
        /^no qemu-aarch64.* in PATH, and no ld-linux-aarch64\.so\.1, .* in .*none\/lib$/,
      ) as string,
      add: 'apt-get install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross libatomic1-arm64-cross',
    })
  })

  it('looks where Debian has them, whatever a relative prefix says', () => {
    const found = findEmulator({ PATH: '', QEMU_LD_PREFIX: 'here' })
    expect(JSON.stringify(found)).not.toContain('here/lib')
  })
})
