import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  checkCards,
  checkClock,
  checkCompilers,
  checkFloatingPoint,
  checkNode,
  checkProcessor,
  checkState,
  countProcessors,
  judgeClock,
  judgeFloatingPoint,
  judgeLimits,
  judgeOpenFiles,
} from './machine.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-doctor-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('node', () => {
  it.each([
    ['20.19.0', 'ok'],
    ['22.1.0', 'ok'],
    ['20.18.3', 'fail'],
    ['18.20.0', 'fail'],
  ])('%s is %s', (version, status) => {
    expect(checkNode(version).status).toBe(status)
  })
})

describe('state', () => {
  it('makes the folder, and leaves nothing in it', () => {
    const check = checkState(join(folder, 'a', 'b'))
    expect(check.status).not.toBe('fail')
    expect(check.fact).toMatch(/MiB free$/)
  })

  it('fails below a file, and where a file system denies folders', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    chmodSync(file, 0o600)
    expect(checkState(join(file, 'state'))).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('BITFLEET_STATE'),
    })
    if (process.platform === 'linux') expect(checkState('/proc/bitfleet').status).toBe('fail')
  })
})

describe('clock', () => {
  it('is judged by its year and by the monotonic clock', async () => {
    const now = new Date('2026-03-01T00:00:00Z')
    expect(judgeClock(now, 100, 101).status).toBe('ok')
    expect(judgeClock(now, 3700, 100).status).toBe('warn')
    expect(judgeClock(new Date('1970-01-01T00:10:00Z'), 100, 100).status).toBe('fail')
    expect((await checkClock()).name).toBe('clock')
  })
})

describe('processor and cards', () => {
  it('names the instructions that decide code paths', () => {
    const facts = {
      'cpu.brand': 'AMD EPYC',
      'cpu.threads': '2',
      'cpu.flags.avx2': 'yes',
      'cpu.flags.fma': 'yes',
      'cpu.flags.fpu': 'yes',
    }
    expect(checkProcessor(facts).fact).toBe('AMD EPYC, 2 threads: avx2 fma')
  })

  it('tells a card that works from one that does not, and from none', () => {
    const facts = {
      'gpu.0.usable': 'yes',
      'gpu.0.driver': '535.54.03',
      'gpu.0.cuda': '12.2',
      'gpu.1.usable': 'no',
      'gpu.1.unusable': 'no kernel driver is bound to it',
    }
    const devices = [
      { id: 'gpu0', kind: 'gpu' as const, title: 'A100' },
      { id: 'gpu1', kind: 'gpu' as const, title: 'MI100' },
    ]
    expect(checkCards({ facts, attributes: {}, devices })).toMatchObject([
      { status: 'ok', fact: 'A100, driver 535.54.03, CUDA 12.2' },
      { status: 'warn', fact: 'MI100: no kernel driver is bound to it' },
    ])
    expect(checkCards({ facts: {}, attributes: {}, devices: [] })).toMatchObject([{ status: 'ok' }])
    expect(checkCards({ facts: {}, attributes: { 'warning.nvidia-smi': 'broken' }, devices: [] })).toMatchObject([
      { status: 'warn', fact: 'broken' },
    ])
  })
})

describe('compilers', () => {
  it('are named, broken ones too', async () => {
    const gcc = { status: 'ok' as const, stdout: 'gcc (Debian 12.2.0-14) 12.2.0\nCopyright\n', stderr: '' }
    expect(await checkCompilers((file) => Promise.resolve(file === 'gcc' ? gcc : { status: 'absent' }))).toMatchObject({
      status: 'ok',
      fact: 'gcc (Debian 12.2.0-14) 12.2.0',
    })
    expect((await checkCompilers(() => Promise.resolve({ status: 'absent' }))).status).toBe('warn')
  })
})

describe('limits', () => {
  it.each([
    ['0', 1],
    ['0-3', 4],
    ['0-3,8,10-11', 7],
  ])('counts %s', (list, n) => {
    expect(countProcessors(list)).toBe(n)
  })

  it.each([
    [{ threads: 4, affinity: '0-3', cpuMax: 'max' }, ['ok', 'ok']],
    [{ threads: 4, affinity: '0', cpuMax: 'max' }, ['warn', 'ok']],
    [{ threads: 4, affinity: '0-3', cpuMax: '150000 100000' }, ['ok', 'warn']],
    [{ threads: 4, affinity: '0-3', cpuMax: '400000 100000' }, ['ok', 'ok']],
    [{ threads: 4 }, ['ok', 'ok']],
  ])('of %o', (seen, expected) => {
    expect(judgeLimits(seen).map(({ status }) => status)).toEqual(expected)
  })

  it('knows few open files', () => {
    const line = (soft: string) =>
      `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}                 4096                 files\n`
    expect(judgeOpenFiles(line('256')).status).toBe('warn')
    expect(judgeOpenFiles(line('1024')).status).toBe('ok')
    expect(judgeOpenFiles(line('unlimited')).status).toBe('ok')
    expect(judgeOpenFiles('').status).toBe('ok')
  })
})

describe('floating point', () => {
  it('fails where a fresh process does not round to nearest or flushes', async () => {
    expect(judgeFloatingPoint({ rounding: 'nearest', ftz: true, daz: true })).toMatchObject({
      status: 'fail',
      fact: 'a fresh process rounds to nearest, flushes subnormal results and operands to zero',
    })
    expect(judgeFloatingPoint({ rounding: 'up', ftz: false, daz: false }).status).toBe('fail')
    expect((await checkFloatingPoint()).status).toBe('ok')
  })
})
