import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

// No test may run on an old dist/: a runner whose source throws would pass its tests there.

interface Build {
  readonly whyStale: (root: string) => string | undefined
  readonly buildIfStale: (root: string) => void
}

const repository = resolve(import.meta.dirname, '..')
const { whyStale, buildIfStale } = (await import(pathToFileURL(join(repository, 'build.mjs')).href)) as Build

const settings = ['build.mjs', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
const folders = ['shared', 'workloads', 'agent', 'coordinator', 'test', 'dist']
const source = 'shared/labels.ts'
const runner = 'agent/runner/main.ts'

let copy: string
const children: ChildProcess[] = []

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'bitfleet-build-'))
  for (const path of ['main.ts', 'vitest.config.ts', ...settings, ...folders]) {
    cpSync(join(repository, path), join(copy, path), { recursive: true })
  }
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

/** Changes files of the copy for as long as `during` takes. */
function whileChanged<Result>(path: string, content: string | undefined, during: () => Result): Result {
  const file = join(copy, path)
  const before = existsSync(file) ? readFileSync(file) : undefined
  const put = (bytes: string | Uint8Array | undefined) =>
    bytes === undefined ? rmSync(file, { force: true }) : writeFileSync(file, bytes)
  put(content)
  try {
    return during()
  } finally {
    put(before)
  }
}

function textOf(path: string): string {
  return readFileSync(join(copy, path), 'utf8')
}

async function start(...argv: string[]): Promise<{ code: number | null; text: string }> {
  const env = { PATH: process.env.PATH, HOME: copy, NO_COLOR: '1' }
  const child = spawn(process.execPath, argv, { cwd: copy, env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, text }
}

describe('dist/', () => {
  it('is fresh for these tests, and in a copy', () => {
    expect(whyStale(repository)).toBeUndefined()
    expect(whyStale(copy)).toBeUndefined()
  })

  it('stays fresh if a source is only touched', () => {
    writeFileSync(join(copy, source), textOf(source))
    utimesSync(join(copy, source), 4_000_000_000, 4_000_000_000)
    expect(whyStale(copy)).toBeUndefined()
  })

  it('stays fresh if a test or a page changes', () => {
    whileChanged('shared/labels.test.ts', '', () => expect(whyStale(copy)).toBeUndefined())
    whileChanged('shared/README.md', 'new', () => expect(whyStale(copy)).toBeUndefined())
  })

  it('is stale if a source changed, even if its date is old', () => {
    whileChanged(source, `${textOf(source)}// changed\n`, () => {
      utimesSync(join(copy, source), 0, 0)
      expect(whyStale(copy)).toBe('dist/ was built from other sources')
    })
    expect(whyStale(copy)).toBeUndefined()
  })

  it.each([
    ...['main.ts', ...settings, 'coordinator/compare/kernels/tally.as.ts', 'test/bench/main.ts', 'shared/new.ts'],
    ...['coordinator/web/pages.css', 'coordinator/store/migrations/0000_index.sql', 'agent/runners/python/new.py'],
  ])('is stale if %s is added or changed', (path) => {
    const text = existsSync(join(copy, path)) ? textOf(path) : ''
    whileChanged(path, `${text}\n`, () => expect(whyStale(copy)).toBe('dist/ was built from other sources'))
  })

  it.each([source, 'coordinator/web/pages.css'])('is stale if %s is deleted', (path) => {
    whileChanged(path, undefined, () => expect(whyStale(copy)).toBe('dist/ was built from other sources'))
  })

  it.each([
    ['changed', 'dist/shared/labels.js', 'throw new Error()'],
    ['missing', 'dist/shared/labels.js', undefined],
    ['left over', 'dist/shared/gone.js', ''],
    ['its data and changed', 'dist/coordinator/web/pages.css', ''],
  ])('is stale if a file in it is %s', (_, path, content) => {
    whileChanged(path, content, () => expect(whyStale(copy)).toMatch('not those that were built'))
  })

  it('is stale without what a build writes last, or without what it makes beside the sources', () => {
    whileChanged('dist/built-from.json', undefined, () => expect(whyStale(copy)).toMatch('never built to its end'))
    const kernel = 'coordinator/compare/kernels/tally.wasm'
    for (const content of [undefined, 'old']) {
      whileChanged(kernel, content, () => expect(whyStale(copy)).toMatch('tally.wasm'))
    }
    expect(whyStale(copy)).toBeUndefined()
  })

  it('loses what a deleted source left, and takes what a new one makes', () => {
    whileChanged('shared/gone.ts', 'export const gone: number = 1\n', () => {
      buildIfStale(copy)
      expect(textOf('dist/shared/gone.js')).toBe('export const gone = 1;\n')
    })
    expect(whyStale(copy)).toBe('dist/ was built from other sources')
    buildIfStale(copy)
    expect(existsSync(join(copy, 'dist/shared/gone.js'))).toBe(false)
    expect(whyStale(copy)).toBeUndefined()
  })

  it('is whole after two builds at once', async () => {
    writeFileSync(join(copy, 'dist/main.js'), '')
    const script = `const { buildIfStale } = await import('./build.mjs'); buildIfStale()`
    const both = [1, 2].map(() => start('--input-type=module', '-e', script))
    for (const { code, text } of await Promise.all(both)) expect(code, text).toBe(0)
    expect(whyStale(copy)).toBeUndefined()
  })
})

describe('a runner whose source throws at once', () => {
  const suite = () =>
    start(
      ...['node_modules/vitest/vitest.mjs', 'run', '--project', 'processes', 'agent/runner/main.process.test.ts'],
      ...['-t', 'tells an execution in order'],
    )

  it('fails its tests, which pass without that', async () => {
    const sound = await suite()
    expect(sound.code, sound.text).toBe(0)
    expect(sound.text).toMatch(/1 passed/)
    const before = textOf(runner)
    writeFileSync(join(copy, runner), `throw new Error('planted')\n${before}`)
    const planted = await suite()
    expect(planted.text).toMatch(/1 failed/)
    expect(planted.code).toBe(1)
    writeFileSync(join(copy, runner), before)
    const repaired = await suite()
    expect(repaired.code, repaired.text).toBe(0)
  })
})
