import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { listPrograms } from '../../test/listed-programs.ts'
import { writeProgramList } from './list.ts'

// What listed programs do wrong, and what an agent then says.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const listed = await listPrograms({
  nothing: `say({ note: 'there is nothing to say' })`,
  silent: '',
  object: `writeFileSync(out + '/a.npy', npy(Buffer.alloc(8), { descr: '|O', shape: '(1,)' })); say({ checkpoint: { step: 0, name: 'a', file: 'a.npy' } })`,
  fails: `trace(0, 'a', [1]); console.error('the loss is NaN'); process.exit(3)`,
  segfaults: `say({ settings: { OMP_NUM_THREADS: '7' } }); trace(0, 'a', [1]); console.error('before the end'); process.kill(process.pid, 'SIGSEGV'); sleep(9e4)`,
  'half-said': `trace(0, 'a', [1]); raw('{"note":'); process.kill(process.pid, 'SIGABRT'); sleep(9e4)`,
  hangs: `say({ facts: { 'lib.mine.version': '3' } }); trace(0, 'a', [1]); setInterval(() => {}, 1e6)`,
  floods: `trace(0, 'a', [1]); for (let i = 0; i < 3000; i++) writeSync(2, 'x'.repeat(1000) + '\\n'); console.error('the last line')`,
  'long-line': `raw('{"note":"' + 'x'.repeat(3 << 20))`,
  'not-json': `trace(0, 'a', [1]); raw('step 3\\n')`,
  'not-ended': `trace(0, 'a', [1]); raw('{"note":"a"}')`,
  'unknown-key': `say({ checkpoint: { step: 0, name: 'a', file: 'a.npy', dtype: 'f32' } })`,
  'odd-keys': `raw('{"\\\\u001b[31m":1,"settings":{' + Array.from({ length: 20000 }, (_, i) => '"a b' + i + '":1').join(',') + '}}\\n')`,
  'many-words': `for (let i = 0; i < 400; i++) say({ facts: { ['lib.x' + i + '.version']: '\\u001b'.repeat(200) } })`,
  missing: `say({ checkpoint: { step: 0, name: 'a', file: 'a.npy' } })`,
  'no-npy': `writeFileSync(out + '/a.npy', 'hello there, no tensor'); say({ checkpoint: { step: 0, name: 'a', file: 'a.npy' } })`,
  twice: `trace(0, 'a', [1]); trace(0, 'a', [2])`,
  'file-twice': `trace(0, 'a', [1]); say({ checkpoint: { step: 0, name: 'b', file: '0.npy' } })`,
  backwards: `trace(2, 'a', [1]); trace(1, 'a', [1])`,
  steering: `trace(0, 'a\\u001b[2J', [1])`,
  symlink: `symlinkSync('/etc/hostname', out + '/a.npy'); say({ checkpoint: { step: 0, name: 'a', file: 'a.npy' } })`,
  'trace-symlink': `writeFileSync('elsewhere', '{"note":"a"}\\n'); symlinkSync(process.cwd() + '/elsewhere', out + '/trace.ndjson')`,
  pipe: `spawnSync('mkfifo', [out + '/a.npy']); say({ checkpoint: { step: 0, name: 'a', file: 'a.npy' } })`,
  folder: `mkdirSync(out + '/a.npy'); say({ checkpoint: { step: 0, name: 'a', file: 'a.npy' } })`,
  shortens: `trace(0, 'a', [1]); sleep(300); truncateSync(out + '/trace.ndjson', 3); sleep(9e4)`,
  replaces: `trace(0, 'a', [1]); sleep(300); renameSync(out + '/trace.ndjson', out + '/old'); trace(0, 'b', [1])`,
  empty: `writeFileSync(out + '/a.safetensors', Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d])); say({ checkpoint: { step: 0, file: 'a.safetensors' } })`,
  latin: `appendFileSync(out + '/trace.ndjson', Buffer.from([0x7b, 0xff, 0x0a]))`,
  'changes-itself': `trace(0, 'a', [1]); appendFileSync(process.argv[1], '// more')`,
  removed: `trace(0, 'a', [1])`,
})
const { entries, list, run, scriptOf } = listed
afterAll(() => listed.remove())

describe('a program that goes wrong', () => {
  it.each<[string, string, RegExp]>([
    ['nothing', 'workload', /^program nothing ended well and traced no tensor; it names tensors in \$BITFLEET_OUT/],
    ['silent', 'workload', /^program silent ended well and traced no tensor/],
    ['object', 'format', /line 1, a\.npy: .*its type '\|O' is none of/],
    ['long-line', 'limit', /a line of trace\.ndjson is over 1048576 bytes/],
    ['not-json', 'workload', /^trace\.ndjson of program not-json, line 2: it is not JSON/],
    ['not-ended', 'workload', /ends inside line 2; end it by a line feed/],
    ['unknown-key', 'workload', /line 1: checkpoint: .*"dtype"/],
    ['odd-keys', 'workload', /^[^\p{Cc}]{1,1200}$/u],
    [
      'many-words',
      'limit',
      /^trace\.ndjson of program many-words, line \d+: all settings, or all facts, are over 196608 bytes/,
    ],
    ['missing', 'workload', /line 1, a\.npy: it is not in BITFLEET_OUT/],
    ['no-npy', 'format', /line 1, a\.npy: not a \.npy file/],
    ['twice', 'workload', /line 2, 1\.npy: "a" is there twice at step 0/],
    ['file-twice', 'workload', /line 2, 0\.npy: it was named before/],
    ['backwards', 'workload', /line 2, 1\.npy: "a" is of step 1, and step 2 was before it/],
    ['steering', 'workload', /has characters that a screen obeys/],
    ['symlink', 'workload', /line 1, a\.npy: it is a link, and none is followed/],
    ['trace-symlink', 'workload', /^trace\.ndjson of program trace-symlink: it is a link/],
    ['pipe', 'workload', /line 1, a\.npy: it is no regular file/],
    ['folder', 'workload', /line 1, a\.npy: it is no regular file/],
    ['shortens', 'workload', /got shorter/],
    ['replaces', 'workload', /^trace\.ndjson of program replaces: another file was put in its place/],
    ['empty', 'workload', /line 1, a\.safetensors: it holds no tensor/],
    ['latin', 'workload', /is not UTF-8/],
  ])('%s: says what and where', async (name, code, message) => {
    const { outcome, trace } = await run(name)
    expect(outcome).toMatchObject({ status: 'failed', code, message: expect.stringMatching(message) as string })
    expect(trace).toBeUndefined()
  })

  it('fails by its exit code, with its last words', async () => {
    expect((await run('fails')).outcome).toEqual({
      ...{ status: 'failed', code: 'workload', message: 'program fails ended with code 3' },
      stderr: 'the loss is NaN',
    })
  })

  it.each([
    ['segfaults', 'SIGSEGV', 'before the end'],
    ['half-said', 'SIGABRT', ''],
  ])('%s: crashes by its signal, not by the runner’s', async (name, signal, stderr) => {
    const { outcome, effective, facts, version } = await run(name)
    expect(outcome).toMatchObject({ status: 'crashed', signal, stderr: expect.stringContaining(stderr) as string })
    expect(version).toMatch(/^[0-9a-f]{12}$/)
    // What it had said stays.
    expect(facts).toHaveProperty('program.digest')
    if (name === 'segfaults') expect(effective).toEqual({ threads: '7' })
  })

  it('is ended after its time, and what it had said stays', async () => {
    const { outcome, facts } = await run('hangs', {}, { limits: { timeMs: 2500, memoryBytes: 2 ** 32 } })
    expect(outcome).toMatchObject({ status: 'timed-out', limitMs: 2500 })
    expect(facts).toMatchObject({ 'lib.mine.version': '3' })
  })

  it('may flood its log: the last lines stay', async () => {
    const { outcome, log } = await run('floods')
    expect(outcome).toEqual({ status: 'completed' })
    expect(log.endsWith('the last line')).toBe(true)
    expect(log.length).toBeLessThan(70_000)
  })

  it('that another changed is not started', async () => {
    const original = readFileSync(scriptOf('fails'))
    try {
      writeFileSync(scriptOf('fails'), 'process.exit(0)')
      const { outcome } = await run('fails')
      expect(outcome).toMatchObject({ status: 'failed', code: 'digest-mismatch' })
      const { message } = outcome as { message: string }
      for (const part of [
        scriptOf('fails'),
        digestOf(original),
        digestOf('process.exit(0)'),
        'bitfleet programs pin fails',
      ]) {
        expect(message).toContain(part)
      }
    } finally {
      writeFileSync(scriptOf('fails'), original)
    }
  })

  it('that changed while it ran has not completed', async () => {
    const { outcome } = await run('changes-itself')
    expect(outcome).toMatchObject({
      ...{ status: 'failed', code: 'digest-mismatch' },
      message: expect.stringMatching(/found when the program had ended, with code 0/) as string,
    })
  })

  it('that is listed no more is not started', async () => {
    await writeProgramList(
      list,
      [...entries.values()].filter(({ id }) => id !== 'removed'),
    )
    try {
      expect((await run('removed')).outcome).toMatchObject({
        ...{ status: 'failed', code: 'not-found' },
        message: expect.stringMatching(/program removed is not in .*programs\.json any more/) as string,
      })
    } finally {
      await writeProgramList(list, [...entries.values()])
    }
  })
})
