import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { takeLock } from '../../shared/folder-lock.ts'
import { bytesOf, createTensor } from '../../shared/tensor.ts'
import { tarball } from '../../test/tarball.ts'
import { describeBackends } from '../daemon/describe.ts'
import { addBackend, type AddOptions } from './add.ts'
import { unpackTarball } from './archive.ts'
import { readInstalled } from './installed.ts'
import { wholeSum } from './known-answers.ts'
import { sweepDrafts } from './place.ts'
import type { KnownAnswer, Provider, Version } from './provider.ts'
import { removeBackend } from './remove.ts'

// A provider of a small package, whose runner is the built-in one under another id; nothing is fetched from a network.

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-provision-')))
const mirror = join(folder, 'mirror')
const file = 'small-1.0.0.tgz'
const archive = tarball([{ path: 'package/index.js', bytes: Buffer.from('export {}\n') }])
const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`
const machine = { platform: 'linux', arch: 'x64', glibc: '2.36' }
let root: string
let roots = 0

beforeAll(() => {
  mkdirSync(mirror)
  writeFileSync(join(mirror, file), archive)
})
beforeEach(() => {
  root = join(folder, `backends-${roots++}`)
})
afterAll(() => rmSync(folder, { recursive: true }))

function provider(changes: Partial<Provider> & { version?: Partial<Version>; wrongly?: string } = {}): Provider {
  const { version, wrongly, ...others } = changes
  return {
    id: 'js',
    title: 'A small one',
    versions: () => [
      {
        ...{ id: '1', version: process.versions.node, installedBytes: 1000 },
        packages: [{ client: 'npm', name: 'small', version: '1.0.0', file, integrity }],
        ...version,
      },
      { id: '2', version: '2', installedBytes: 1, packages: [], unsupported: 'it is made for another machine' },
    ],
    async install({ packages }, { folder: place, file: fileOf, id, say }) {
      say('unpacking')
      await unpackTarball(fileOf((packages[0] as { file: string }).file), place, (path) => path)
      return {
        kind: 'node',
        argv:
          wrongly === undefined
            ? ['{program}/agent/runner/main.js', '--installed', 'js', id, '{folder}']
            : ['-e', wrongly],
      }
    },
    answers: [wholeSum],
    ...others,
  }
}

const options = (own: Provider = provider(), changes: Partial<AddOptions> = {}): AddOptions => ({
  ...{ providers: [own], machine, root, from: mirror, environment: { PATH: process.env.PATH, HOME: folder } },
  progress: () => {},
  ...changes,
})

/** That an attempt left nothing that could be taken for a backend, nor half of one. */
function expectNothing(): void {
  expect(readInstalled([root])).toEqual([])
  expect(readdirSync(root).filter((name) => !name.startsWith('.'))).toEqual([])
  for (const id of readdirSync(join(root, '.work'))) {
    expect(readdirSync(join(root, '.work', id)).filter((name) => !name.startsWith('lock.'))).toEqual([])
  }
}

describe('adding a backend', () => {
  it('makes its folder, has it compute, and only then gives it its name', async () => {
    const steps: string[] = []
    const seen: string[][] = []
    const progress = (step: string, done: number, total: number) => {
      steps.push(`${done}/${total} ${step}`)
      seen.push(existsSync(root) ? readdirSync(root).filter((name) => !name.startsWith('.')) : [])
    }
    const added = await addBackend('js@1', options(provider(), { progress }))
    expect(added).toMatchObject({ already: false, folder: join(root, 'js@1') })
    expect(steps).toEqual([
      '0/4 fetching small-1.0.0.tgz',
      '1/4 installing js@1',
      '1/4 unpacking',
      '2/4 having js@1 compute what is known',
      '3/4 writing js@1 to disk',
      '4/4 js@1 is installed',
    ])
    expect(seen.slice(0, -1).flat()).toEqual([])
    const text = readFileSync(join(root, 'js@1/installed.json'), 'utf8')
    expect(text).toBe(`${canonicalJson(JSON.parse(text))}\n`)
    expect(JSON.parse(text)).toMatchObject({
      ...{ id: 'js@1', provider: 'js', version: process.versions.node },
      sources: [{ name: file, integrity, bytes: archive.byteLength }],
    })
    expect(text).not.toContain(folder)
    const offered = await describeBackends({ runnerModules: [], backendFolders: [root], environment: {} })
    expect(offered.find(({ id }) => id === 'js@1')).toMatchObject({ status: 'ready', version: process.versions.node })
  })

  it('does nothing where it is there, and needs no mirror for what was fetched before', async () => {
    await addBackend('js@1', options())
    expect(await addBackend('js@1', options(provider(), { from: '/nowhere' }))).toMatchObject({ already: true })
    rmSync(join(root, 'js@1'), { recursive: true })
    expect(await addBackend('js@1', options(provider(), { from: '/nowhere' }))).toMatchObject({ already: false })
  })

  it('fetches again what was damaged since it was fetched', async () => {
    const before = await addBackend('js@1', options())
    const [kept] = readdirSync(join(root, '.cache')) as [string]
    writeFileSync(join(root, '.cache', kept, file), 'rotten')
    rmSync(before.folder, { recursive: true })
    await expect(addBackend('js@1', options(provider(), { from: '/nowhere' }))).rejects.toMatchObject({
      code: 'not-found',
    })
    expect(await addBackend('js@1', options())).toMatchObject({ already: false })
  })

  it.each<[string, Provider, Partial<AddOptions>, { code: string; message: RegExp }]>([
    ['js@9', provider(), {}, { code: 'usage', message: /no such version of js; there are js@1, js@2/ }],
    [
      'numpy@1',
      provider(),
      {},
      { code: 'usage', message: /no such backend; there are js, and `bitfleet backends` lists their versions/ },
    ],
    ['../js@1', provider(), {}, { code: 'usage', message: /no such backend/ }],
    ['js@2', provider(), {}, { code: 'unavailable', message: /not made for this machine: it is made for another/ }],
    [
      'js@1',
      provider(),
      { from: '/nowhere' },
      { code: 'not-found', message: /\/nowhere has no small-1\.0\.0\.tgz; `npm pack small@1\.0\.0` makes it/ },
    ],
    [
      'js@1',
      provider({
        version: {
          packages: [{ client: 'npm', name: 'small', version: '1.0.0', file, integrity: `sha512-${'A'.repeat(86)}==` }],
        },
      }),
      {},
      {
        code: 'digest-mismatch',
        message: /small-1\.0\.0\.tgz from .*mirror has other bytes than were pinned: sha512-.*not sha512-AAA/,
      },
    ],
    [
      'js@1',
      provider({ version: { installedBytes: 2 ** 60 } }),
      {},
      { code: 'system', message: /js@1 takes about \d+ MiB, and .* has \d+ MiB free/ },
    ],
    [
      'js@1',
      provider({ install: () => Promise.reject(Object.assign(new Error('write'), { code: 'ENOSPC' })) }),
      {},
      { code: 'system', message: /js@1 is not installed: the disk of .* is full; make room/ },
    ],
    [
      'js@1',
      provider({
        install: (_, { run }) =>
          run('no-such-compiler', [], { remedy: 'install g++' }).then(() => ({ kind: 'node', argv: ['x'] })),
      }),
      {},
      { code: 'unavailable', message: /no-such-compiler cannot be started \(.*ENOENT\); install g\+\+/ },
    ],
    [
      'js@1',
      provider({
        install: (_, { run }) =>
          run('sh', ['-c', 'echo "\x1b[31mfatal: napi.h\x1b[0m" >&2; exit 3'], { remedy: 'install the headers' }).then(
            () => ({ kind: 'node', argv: ['x'] }),
          ),
      }),
      {},
      { code: 'system', message: /^sh -c ended with 3: fatal: napi\.h; install the headers$/ },
    ],
    [
      'js@1',
      provider({ version: { version: '9.9.9' } }),
      {},
      { code: 'unavailable', message: /its runner is at \d+\.\d+\.\d+, not at 9\.9\.9; it is not installed/ },
    ],
    [
      'js@1',
      provider({ wrongly: 'process.kill(process.pid, "SIGILL")' }),
      {},
      { code: 'internal', message: /cannot describe its backends \(it ended with SIGILL\)/ },
    ],
    [
      'js@1',
      provider({
        answers: [
          {
            ...wholeSum,
            outputs: { sum: createTensor('f32', [], bytesOf(Float32Array.of(524_801))) },
          } satisfies KnownAnswer,
        ],
      }),
      {},
      { code: 'workload', message: /js@1 computed 1 \+ 2 \+ … \+ 1024 wrongly: sum is 49002000/ },
    ],
    [
      'js@1',
      provider({ answers: [{ ...wholeSum, params: { dtype: 'bool' } }] }),
      {},
      { code: 'unavailable', message: /did not compute 1 \+ 2 \+ … \+ 1024/ },
    ],
  ])('%s is refused, and leaves nothing (case %#)', async (id, own, changes, error) => {
    mkdirSync(join(root, '.work'), { recursive: true })
    await expect(addBackend(id, options(own, changes))).rejects.toMatchObject({
      code: error.code,
      message: expect.stringMatching(error.message) as string,
    })
    expectNothing()
  })

  it('goes through npm as it is configured, and says what that says', async () => {
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    const npm = (text: string) => {
      writeFileSync(join(bin, 'npm'), `#!/bin/sh\n${text}\n`)
      chmodSync(join(bin, 'npm'), 0o755)
    }
    const environment = { PATH: `${bin}:${process.env.PATH}`, HOME: folder, NPM_CONFIG_REGISTRY: 'https://mirror.lab' }
    const add = () => addBackend('js@1', options(provider(), { from: undefined, environment }))
    npm('echo "npm error code E403" >&2; exit 1')
    await expect(add()).rejects.toMatchObject({
      code: 'system',
      message: expect.stringMatching(
        /^npm pack ended with 1: code E403; see that npm is installed and reaches its registry, or bring small-1\.0\.0\.tgz/,
      ) as string,
    })
    npm('echo "npm error nospc ENOSPC: no space left on device, write" >&2; exit 1')
    await expect(add()).rejects.toMatchObject({ message: expect.stringMatching(/the disk of .* is full/) as string })
    npm('true')
    await expect(add()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('npm fetched no small-1.0.0.tgz') as string,
    })
    npm(`echo 'broken' > "$4/${file}"`)
    await expect(add()).rejects.toMatchObject({
      code: 'digest-mismatch',
      message: expect.stringContaining("from npm's registry") as string,
    })
    expectNothing()
    npm(`echo "$NPM_CONFIG_REGISTRY $1 $2 $5" > ${folder}/asked; cp ${join(mirror, file)} "$4/"`)
    expect(await add()).toMatchObject({ already: false })
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe('https://mirror.lab pack small@1.0.0 --ignore-scripts\n')
    npm('exit 9')
    rmSync(join(root, 'js@1'), { recursive: true })
    expect(await add()).toMatchObject({ already: false })
  })

  it('is done by one process at a time', async () => {
    const both = await Promise.allSettled([addBackend('js@1', options()), addBackend('js@1', options())])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: {
        code: 'conflict',
        message: expect.stringMatching(/held by process \d+; it is adding or removing js@1/) as string,
      },
    })
    expect(readInstalled([root]).map(({ id }) => id)).toEqual(['js@1'])
  })

  it('clears what a crash left half made, and nothing that somebody works on', async () => {
    for (const id of ['js@1', 'js@7', 'js@8']) {
      mkdirSync(join(root, '.work', id, 'draft'), { recursive: true })
      writeFileSync(join(root, '.work', id, 'draft/installed.json'), '{}')
    }
    const unlock = await takeLock(join(root, '.work/js@8'), 'wait')
    await sweepDrafts([root, '/nowhere'])
    expect(existsSync(join(root, '.work/js@7/draft'))).toBe(false)
    expect(existsSync(join(root, '.work/js@8/draft'))).toBe(true)
    await unlock()
    expect(await addBackend('js@1', options())).toMatchObject({ already: false })
    expect(existsSync(join(root, '.work/js@8/draft'))).toBe(false)
  })

  it('leaves a broken one for its owner to remove', async () => {
    mkdirSync(join(root, 'js@1'), { recursive: true })
    writeFileSync(join(root, 'js@1/installed.json'), 'torn')
    await expect(addBackend('js@1', options())).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/cannot be read: .*`bitfleet backends remove js@1` makes room/) as string,
    })
    await removeBackend('js@1', root)
    expect(await addBackend('js@1', options())).toMatchObject({ already: false })
  })
})

describe('removing a backend', () => {
  it('takes it away, and what was fetched for it alone', async () => {
    const twice: Provider = {
      ...provider(),
      versions: (here) =>
        provider()
          .versions(here)
          .flatMap((version) => (version.id === '1' ? [version, { ...version, id: '1.0' }] : [])),
    }
    await addBackend('js@1', options(twice))
    await addBackend('js@1.0', options(twice))
    await removeBackend('js@1', root)
    expect(readInstalled([root]).map(({ id }) => id)).toEqual(['js@1.0'])
    expect(readdirSync(join(root, '.cache'))).toHaveLength(1)
    await removeBackend('js@1.0', root)
    expect(readdirSync(join(root, '.cache'))).toEqual([])
    expectNothing()
  })

  it('says what is installed where it is not', async () => {
    await expect(removeBackend('js@1', root)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('nothing is installed there') as string,
    })
    await addBackend('js@1', options())
    await expect(removeBackend('../js@1', root)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('installed there: js@1') as string,
    })
  })
})
