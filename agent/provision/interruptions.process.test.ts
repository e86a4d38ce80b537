import { randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { addSmall, expectOnly, openRegistry, pin, type SmallRegistry } from '../../test/adding.ts'
import { needs } from '../../test/needs.ts'
import { python, runPython, withoutPython } from '../../test/python.ts'
import { needsSmallDisk, openSmallDisk, type SmallDisk } from '../../test/small-disk.ts'
import { tarball } from '../../test/tarball.ts'
import { readInstalled } from './installed.ts'

// What comes between while a backend is added: a connection that breaks, a kill, another who adds, a disk that fills.
// Each `add` is a process of its own. Whatever it was, nothing half made counts as a backend, and the next `add` succeeds.

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-interruptions-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let root: string
let roots = 0
beforeEach(() => {
  root = join(folder, `backends-${roots++}`)
})

const mirror = join(folder, 'mirror')
const files = {
  'first-1.0.0.tgz': packed('first', 300_000),
  'second-1.0.0.tgz': packed('second', 300_000),
  // Little to fetch, and more than a small disk to unpack.
  'zeros-1.0.0.tgz': tarball([{ path: 'package/zeros', bytes: Buffer.alloc(8 << 20) }]),
}
const [first, second, zeros] = Object.entries(files).map(([file, bytes]) =>
  pin('npm', file.replace('-1.0.0.tgz', ''), file, bytes),
) as [ReturnType<typeof pin>, ReturnType<typeof pin>, ReturnType<typeof pin>]
beforeAll(() => {
  mkdirSync(mirror)
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(mirror, file), bytes)
})

function packed(name: string, bytes: number): Buffer {
  const manifest = Buffer.from(JSON.stringify({ name, version: '1.0.0' }))
  return tarball([
    { path: 'package/package.json', bytes: manifest },
    { path: `package/${name}.bin`, bytes: randomBytes(bytes) },
  ])
}

const cached = () =>
  readdirSync(join(root, '.cache'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()
const there = (id: string) => ({ code: 0, stdout: `added ${join(root, id)}\n` })

const npm = spawnSync('npm', ['--version']).status === 0
describe.skipIf(needs('npm against a registry that fails', npm, 'there is no npm', 'npm'))('npm, at a registry', () => {
  let registry: SmallRegistry
  beforeEach(async () => {
    registry = await openRegistry(files)
  })
  afterEach(() => registry.close())
  const add = () =>
    addSmall(
      'js@1',
      { root, packages: [first, second] },
      {
        ...{
          PATH: process.env.PATH,
          HOME: root,
          npm_config_cache: `${root}-npm`,
          npm_config_registry: `${registry.url}/npm/`,
        },
        ...{ npm_config_fetch_retries: '0', npm_config_update_notifier: 'false' },
      },
    ).ended

  it.each([
    [
      'that closes half way',
      'cut',
      /^bitfleet: npm pack ended with 1: code ECONNRESET · network aborted; see that npm is/,
    ],
    [
      'that sends half a file',
      'short',
      /^bitfleet: npm pack ended with 1: code EINTEGRITY · .*; see that npm is installed/,
    ],
    [
      'that serves another file',
      packed('second', 1000),
      /^bitfleet: second-1\.0\.0\.tgz from npm's registry has other bytes than were pinned: .*; see which registry npm/,
    ],
  ] as const)('%s', async (_, how, message) => {
    registry.send('second-1.0.0.tgz', how)
    const broken = await add()
    expect(broken).toMatchObject({ code: 2, stdout: '' })
    expect(broken.error).toMatch(message)
    expect(broken.error.split('\n')).toHaveLength(2)
    expectOnly(root)
    expect(cached()).toEqual(['first-1.0.0.tgz'])

    // What had come before is not fetched again.
    registry.send('second-1.0.0.tgz', 'whole')
    registry.asked.splice(0)
    expect(await add()).toMatchObject(there('js@1'))
    expect(registry.asked.filter((path) => path.includes('first'))).toEqual([])
    expect(registry.asked).toContain('/npm/second-1.0.0.tgz')
    expectOnly(root, ['js@1'])
  })
})

const noPip =
  withoutPython('pip against a registry that fails') ||
  needs('pip against a registry that fails', runPython(['-m', 'pip', '--version']).status === 0, `${python} has no pip`)
describe.skipIf(noPip)('pip, at a registry', () => {
  const file = 'small-1.0.0-py3-none-any.whl'
  let wheel: Buffer
  let registry: SmallRegistry
  beforeAll(async () => {
    const { stdout } = runPython([
      '-c',
      `
import io, sys, zipfile, os
held = io.BytesIO()
with zipfile.ZipFile(held, "w") as wheel:
    wheel.writestr("small/data.bin", os.urandom(100_000))
    wheel.writestr("small-1.0.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: small\\nVersion: 1.0.0\\n")
    wheel.writestr("small-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("small-1.0.0.dist-info/RECORD", "")
print(held.getvalue().hex())
`,
    ])
    wheel = Buffer.from(stdout.trim(), 'hex')
    registry = await openRegistry({ [file]: wheel })
  })
  afterAll(() => registry.close())
  const add = () =>
    addSmall(
      'js@1',
      { root, packages: [pin('pip', 'small', file, wheel)] },
      {
        ...{ PATH: process.env.PATH, HOME: root, PIP_INDEX_URL: `${registry.url}/pip/`, PIP_RETRIES: '0' },
        PIP_NO_CACHE_DIR: '1',
      },
    ).ended

  it.each([
    [
      'that closes half way',
      'cut',
      /^bitfleet: python3 -m pip ended with [12]: .*; see that pip is installed and reaches/,
    ],
    [
      'that sends half a file',
      'short',
      /^bitfleet: python3 -m pip ended with 1: Wheel 'small' .* is invalid\.?; see that/,
    ],
  ] as const)('%s', async (_, how, message) => {
    registry.send(file, how)
    const broken = await add()
    expect(broken).toMatchObject({ code: 2, stdout: '' })
    expect(broken.error).toMatch(message)
    expect(broken.error.split('\n')).toHaveLength(2)
    expectOnly(root)
    registry.send(file, 'whole')
    expect(await add()).toMatchObject(there('js@1'))
    expectOnly(root, ['js@1'])
  })
})

describe('two at once', () => {
  it('of one id: the second is refused while the first works, and finds it there afterwards', async () => {
    const pauseAt = join(folder, 'go-on')
    const one = addSmall('js@1', { root, packages: [first], from: mirror, pauseAt })
    await one.said('half made')
    const other = await addSmall('js@1', { root, packages: [first], from: mirror }).ended
    expect(other).toMatchObject({ code: 2, stdout: '' })
    expect(other.error).toBe(
      `bitfleet: ${join(root, '.work/js@1')} is held by process ${one.pid}; it is adding or removing js@1; wait for its end\n`,
    )
    expect(existsSync(join(root, '.work/js@1/draft/half'))).toBe(true)
    writeFileSync(pauseAt, '')
    expect(await one.ended).toMatchObject(there('js@1'))
    expect(await addSmall('js@1', { root, packages: [first], from: mirror }).ended).toMatchObject({
      code: 0,
      stdout: `there already ${join(root, 'js@1')}\n`,
    })
    expectOnly(root, ['js@1'])
  })

  it('of one id, started together: one of them installs it, and the other does no harm', async () => {
    const both = await Promise.all([1, 2].map(() => addSmall('js@1', { root, packages: [first], from: mirror }).ended))
    expect(both.filter(({ stdout }) => stdout.startsWith('added'))).toHaveLength(1)
    const other = both.find(({ stdout }) => !stdout.startsWith('added'))
    expect(other?.code === 0 ? other.stdout : other?.error).toMatch(
      /^there already|is held by process \d+; it is adding/,
    )
    expectOnly(root, ['js@1'])
  })

  it('of two ids that share a package: both are there', async () => {
    const ids = ['js@1', 'js@2']
    const both = await Promise.all(
      ids.map((id) => addSmall(id, { root, packages: [first, second], from: mirror }).ended),
    )
    expect(both).toMatchObject(ids.map(there))
    expectOnly(root, ids)
    expect(cached()).toEqual(['first-1.0.0.tgz', 'second-1.0.0.tgz'])
  })
})

describe('a kill', () => {
  it('in the middle leaves no backend, and the next `add`, of whatever, clears what it left', async () => {
    const pauseAt = join(folder, 'never')
    for (const next of ['js@1', 'js@2']) {
      const killed = addSmall('js@1', { root, packages: [first], from: mirror, pauseAt })
      await killed.said('half made')
      killed.kill()
      expect(await killed.ended).toMatchObject({ code: 'SIGKILL' })
      expect(existsSync(join(root, '.work/js@1/draft/half'))).toBe(true)
      expect(readInstalled([root])).toEqual([])
      expect(await addSmall(next, { root, packages: [first], from: mirror }).ended).toMatchObject(there(next))
      expectOnly(root, [next])
      rmSync(join(root, next), { recursive: true })
    }
  })
})

describe.skipIf(needsSmallDisk('adding a backend to a full disk'))('a full disk', () => {
  let disk: SmallDisk
  beforeEach(() => {
    disk = openSmallDisk(4)
    root = join(disk.dir, 'backends')
  })
  afterEach(() => disk.unmount())
  const add = (packages: readonly ReturnType<typeof pin>[], fill?: string) =>
    addSmall('js@1', { root, packages, from: mirror, fill }, { PATH: process.env.PATH, HOME: folder }).ended
  const full =
    /^bitfleet: js@1 is not installed: the disk of .*backends is full; make room, or choose another folder with --state, and add it again\n$/

  it('before it begins', async () => {
    // The lock's own folder is there, so that it is the lock that finds no room.
    mkdirSync(join(root, '.work/js@1'), { recursive: true })
    disk.fill()
    const ended = await add([first])
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.error).toMatch(full)
    expectOnly(root)
    disk.free()
    expect(await add([first])).toMatchObject(there('js@1'))
    expectOnly(root, ['js@1'])
  })

  it('while it is fetched', async () => {
    const bytes = packed('large', 6 << 20)
    const pinned = pin('npm', 'large', 'large-1.0.0.tgz', bytes)
    writeFileSync(join(mirror, pinned.file), bytes)
    const ended = await add([pinned])
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.error).toMatch(full)
    expectOnly(root)
    disk.remount('size=64m')
    expect(await add([pinned])).toMatchObject(there('js@1'))
    expectOnly(root, ['js@1'])
  })

  it('while it is unpacked', async () => {
    const ended = await add([zeros])
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.error).toMatch(full)
    expectOnly(root)
    disk.remount('size=64m')
    expect(await add([zeros])).toMatchObject(there('js@1'))
    expectOnly(root, ['js@1'])
  })

  it('while it computes what is known', async () => {
    const filler = join(disk.dir, 'filled-meanwhile')
    const ended = await add([first], filler)
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.error).toMatch(
      /^bitfleet: js@1 is not installed: the disk of .*backends.* is full.*; make room, or choose another/,
    )
    expect(ended.error.split('\n')).toHaveLength(2)
    expectOnly(root)
    rmSync(filler)
    expect(await add([first])).toMatchObject(there('js@1'))
    expectOnly(root, ['js@1'])
  })
})
