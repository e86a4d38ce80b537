import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addByCommand, expectOnly } from '../../test/adding.ts'
import { needs } from '../../test/needs.ts'
import { withoutPython } from '../../test/python.ts'
import { needsSmallDisk, openSmallDisk } from '../../test/small-disk.ts'
import { listChoices } from './choose.ts'
import { readMachine } from './machine.ts'
import { providers } from './providers/index.ts'

// `bitfleet backends add` as a person types it, where it cannot go well: one line that names the thing, the fact and the
// remedy, exit code 2, and nothing half made. No network is reached for: where one would be, it is not there.

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-refusals-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let states = 0
const newState = () => join(folder, `state-${states++}`)

const nowhere = 'http://127.0.0.1:9'
const base = {
  ...{ PATH: process.env.PATH, HOME: folder, npm_config_cache: join(folder, 'npm-cache') },
  ...{ npm_config_registry: nowhere, npm_config_fetch_retries: '0', npm_config_update_notifier: 'false' },
  ...{ PIP_INDEX_URL: nowhere, PIP_RETRIES: '1', PIP_NO_CACHE_DIR: '1' },
}

async function refused(argv: readonly string[], environment: Readonly<Record<string, string | undefined>> = base) {
  const state = newState()
  const { code, stdout, error } = await addByCommand([...argv, '--state', state], environment)
  expect({ code, stdout, lines: error.split('\n').length }).toEqual({ code: 2, stdout: '', lines: 2 })
  expectOnly(join(state, 'backends'))
  return error.replace(/^bitfleet: /, '').trimEnd()
}

/** A folder for PATH with these programs of this machine, and with scripts. */
function binFolder(name: string, scripts: Readonly<Record<string, string>> = {}): string {
  const bin = join(folder, name)
  mkdirSync(bin)
  for (const [command, text] of Object.entries(scripts)) {
    writeFileSync(join(bin, command), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, command), 0o755)
  }
  return bin
}

const choices = listChoices(providers, readMachine(process.env))
const made = (name: string) =>
  choices.find(({ id, version }) => id.startsWith(`${name}@`) && version.packages.length > 0)
const [node, python, tensorflow] = [made('js'), made('numpy'), made('tensorflow')]

describe('a name that is none', () => {
  it.each([
    ['jss@24', /^jss@24: Bitfleet installs no such backend, did you mean "js@24"\?; there are js, onnxruntime, /],
    ['pytroch@2.13.0', /no such backend, did you mean "pytorch@2\.13\.0"\?/],
    ['numpyy', /no such backend, did you mean "numpy"\?/],
    ['openblas@0.3', /no such backend; there are .*, and `bitfleet backends` lists their versions$/],
    [
      'numpy@2.3.4',
      /^numpy@2\.3\.4: Bitfleet installs no such version of numpy, did you mean "numpy@2\.3\.5"\?; there are/,
    ],
    ['tensorflow@2.21', /no such version of tensorflow, did you mean "tensorflow@2\.21\.0"\?; there are tensorflow@2/],
    ['js@23', /^js@23: Bitfleet installs no such version of js; there are js@26, .*js@20/],
    ['js', /^js: a version belongs to it; there are js@26/],
    ['numpy@', /^numpy@: a version belongs to it; there are numpy@/],
    ['../js@24', /no such backend; there are js, /],
  ])('%s', async (id, message) => expect(await refused([id])).toMatch(message))
})

describe.skipIf(needs('packages of Node.js', node !== undefined, 'they are pinned for Linux'))(
  'a package of npm',
  () => {
    const { id = '', version: { packages: [file = { file: '' }] = [] } = {} } = node ?? {}

    it('without npm', async () => {
      const said = await refused([id], { ...base, PATH: binFolder('empty') })
      expect(said).toBe(
        `npm cannot be started (spawn npm ENOENT); see that npm is installed and reaches its registry, or bring ${file.file} yourself and name its folder by --from`,
      )
    })

    const npm = spawnSync('npm', ['--version']).status === 0
    it.skipIf(needs('npm without a network', npm, 'there is no npm', 'npm'))('without a network', async () => {
      const said = await refused([id])
      expect(said).toMatch(
        /^npm pack ended with 1: code ECONNREFUSED · .*127\.0\.0\.1:9.*; see that npm is installed and/,
      )
      expect(said.length).toBeLessThan(600)
    })

    it('that the mirror lacks, that is cut short there, and a mirror that is no folder', async () => {
      const mirror = join(folder, 'npm-mirror')
      mkdirSync(mirror)
      expect(await refused([id, '--from', mirror])).toMatch(
        /npm-mirror has no node-linux-.*\.tgz; `npm pack node-linux-.*@.*` makes it where there is a network$/,
      )
      writeFileSync(join(mirror, file.file), 'half of it')
      expect(await refused([id, '--from', mirror])).toMatch(
        /^node-linux-.*\.tgz from .*npm-mirror has other bytes than were pinned: sha512-.*, not sha512-.*; copy the file there again/,
      )
      expect(await refused([id, '--from', join(mirror, file.file)])).toMatch(
        /\.tgz cannot be copied from .*\(ENOTDIR: .*\); name a folder that holds the file, and that this user may read$/,
      )
    })

    it('that npm brings cut short', async () => {
      const bin = binFolder('cutting', { npm: `echo half > "$4/${file.file}"` })
      const said = await refused([id], { ...base, PATH: `${bin}:${base.PATH}` })
      expect(said).toMatch(
        /from npm's registry has other bytes than were pinned.*; see which registry npm is configured/,
      )
    })

    it.skipIf(needsSmallDisk('a state folder that may not be written'))(
      'into a folder that may not be written',
      async () => {
        const disk = openSmallDisk(4)
        try {
          const state = join(disk.dir, 'state')
          disk.remount('ro')
          const before = await addByCommand([id, '--state', state], base)
          expect(before).toMatchObject({ code: 2, stdout: '' })
          expect(before.error).toMatch(
            /^bitfleet: the folder .*state\/backends\/\.work\/js@\d+ cannot be made \(EROFS: .*\); choose another state folder with --state or BITFLEET_STATE\n$/,
          )
          disk.remount('rw')
          mkdirSync(join(state, 'backends', '.work', id), { recursive: true })
          disk.remount('ro')
          const later = await addByCommand([id, '--state', state], base)
          expect(later).toMatchObject({ code: 2, stdout: '' })
          expect(later.error).toMatch(
            /^bitfleet: js@\d+ is not installed: EROFS: .*; run it as the user whose folder .*backends is, or choose another with --state\n$/,
          )
          expectOnly(join(state, 'backends'))
        } finally {
          disk.unmount()
        }
      },
    )
  },
)

const emulating = process.platform === 'linux' && process.arch !== 'arm64'
describe.skipIf(needs('arm64 without an emulator', emulating, 'it is emulated on Linux on other processors'))(
  'a Node.js for arm64',
  () => {
    it('without an emulator and its libraries', async () => {
      const environment = { ...base, PATH: binFolder('no-qemu'), QEMU_LD_PREFIX: join(folder, 'nothing') }
      expect(await refused(['js@24-arm64'], environment)).toMatch(
        /^js@24-arm64 cannot be added yet: arm64 is emulated on this machine, and there is no qemu-aarch64-static or qemu-aarch64 in PATH, and no ld-linux-aarch64\.so\.1, .* for arm64 in .*nothing\/lib; `apt-get install qemu-user-static libc6-arm64-cross .*` adds that$/,
      )
    })
  },
)

const noWheels =
  withoutPython('wheels of NumPy') || needs('wheels of NumPy', python !== undefined, 'none is pinned for this Python')
describe.skipIf(noWheels)('a package of PyPI', () => {
  const { id = '', version: { packages: [wheel = { file: '' }] = [] } = {} } = python ?? {}
  const real = readMachine(process.env).python?.executable ?? ''

  it('without pip', async () => {
    const script = `case "$*" in *"-m pip"*) echo "$0: No module named pip" >&2; exit 1;; esac; exec ${real} "$@"`
    const said = await refused([id], { ...base, PATH: `${binFolder('no-pip', { python3: script })}:${base.PATH}` })
    expect(said).toMatch(
      /^python3 -m pip ended with 1: .*: No module named pip; see that pip is installed and reaches its registry, or bring numpy-.*\.whl/,
    )
  })

  it('without Python', async () => {
    const said = await refused([id], { ...base, PATH: binFolder('no-python') })
    expect(said).toMatch(/^numpy@.* is not made for this machine: no 64-bit Python answers to python3; install one/)
  })

  const pip = spawnSync('python3', ['-m', 'pip', '--version']).status === 0
  it.skipIf(needs('pip without a network', pip, 'there is no pip', 'apt-get install python3-pip'))(
    'without a network',
    async () => {
      const said = await refused([id])
      expect(said).toMatch(
        /^python3 -m pip ended with 1: .*Connection refused.*; see that pip is installed and reaches/,
      )
      expect(said.length).toBeLessThan(700)
    },
  )

  it('that the mirror has damaged', async () => {
    const mirror = join(folder, 'pip-mirror')
    mkdirSync(mirror)
    writeFileSync(join(mirror, wheel.file), 'half of it')
    expect(await refused([id, '--from', mirror])).toMatch(
      /^numpy-.*\.whl from .*pip-mirror has other bytes than were pinned: sha256:.*, not sha256:.*; copy the file there again/,
    )
  })
})

describe.skipIf(needs('TensorFlow', tensorflow !== undefined, 'it is pinned for Linux on x64'))('TensorFlow', () => {
  let bin: string
  beforeAll(() => {
    bin = binFolder('no-compiler')
    for (const command of ['npm', 'python3', 'node', 'sh']) {
      const path = spawnSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' }).stdout.trim()
      if (path !== '') symlinkSync(path, join(bin, command))
    }
  })

  it('without a compiler, before anything is fetched', async () => {
    expect(await refused([tensorflow?.id ?? ''], { ...base, PATH: bin })).toBe(
      'g++ cannot be started (spawn g++ ENOENT); the binding is built by g++ 8 or newer; install it (`apt-get install g++`, `dnf install gcc-c++`) and add the backend again',
    )
  })
})
