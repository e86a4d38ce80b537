import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { codePathVariables } from '../shared/environment.ts'
import { ambientIn, clearAmbient } from './ambient.ts'

const root = resolve(import.meta.dirname, '..')
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** One of each kind, as some machines export them. */
const exported: Record<string, string> = {
  ...Object.fromEntries(Object.keys(codePathVariables).map((name) => [name, '1'])),
  GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-AVX2:glibc.malloc.check=0',
  OMP_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
}

describe('what a machine exports', () => {
  it('does not reach a test', () => {
    expect(ambientIn(process.env)).toEqual([])
  })

  it('does not reach what a test starts', () => {
    const { stdout } = spawnSync(process.execPath, ['-e', 'console.log(JSON.stringify(process.env))'], {
      encoding: 'utf8',
    })
    expect(ambientIn(JSON.parse(stdout) as Record<string, string>)).toEqual([])
  })

  it('is found if it is there, and cleared, and nothing else is', () => {
    const others = { PATH: '/bin', LD_LIBRARY_PATH: '/cuda', CUDA_VISIBLE_DEVICES: '0' }
    const environment: Record<string, string | undefined> = { ...exported, ...others }
    expect(ambientIn(environment)).toHaveLength(Object.keys(exported).length)
    clearAmbient(environment)
    expect(ambientIn(environment)).toEqual([])
    expect(environment).toEqual({
      ...others,
      GLIBC_TUNABLES: 'glibc.malloc.check=0',
    })
  })

  it('does not matter to vitest run by hand', async () => {
    const child = spawn(
      process.execPath,
      [
        ...[join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'processes'],
        ...['test/ambient.process.test.ts', '-t', 'does not reach'],
      ],
      { cwd: root, env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1', ...exported } },
    )
    children.push(child)
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    expect(code, text).toBe(0)
    expect(text).toMatch(/2 passed/)
  })
})
