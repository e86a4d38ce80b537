import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { compareTensors } from '../coordinator/compare/elements.ts'
import { openBundle } from '../shared/bundle.ts'
import { formatNpy } from '../shared/npy.ts'
import { drawTensor } from '../shared/random/data-kinds.ts'
import { createStream } from '../shared/random/stream.ts'
import { createTrace, formatTrace } from '../shared/trace.ts'
import { runPython, withoutNumpy, withoutPython } from './python.ts'
import { makeBundle } from './bundles.ts'
import { needs } from './needs.ts'

// The program text of docs/formats.md, run as a reader would run it.
const page = readFileSync(new URL('../docs/formats.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code as string)
const noPython = withoutPython('the programs of docs/formats.md')
const noNumpy = withoutNumpy('the programs of docs/formats.md that use numpy')

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-page-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = (code: string) => {
  const { stdout, stderr, status } = runPython(['-c', code], { cwd: folder })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return stdout.trim()
}
const block = (holding: string) => {
  const found = blocks.filter((code) => code.includes(holding))
  expect(found).toHaveLength(1)
  return found[0] as string
}

test.skipIf(noPython)('what the page says a program prints, it prints', { timeout: 60_000 }, () => {
  for (const code of blocks.filter((text) => /^print\(/m.test(text) && (!noNumpy || !text.includes('numpy')))) {
    const said = /(?:\n# | {2}# )(.*)\n$/.exec(code)?.[1]
    expect(run(code)).toBe(said)
  }
})

test.skipIf(noPython)('the page’s program computes trace digests', { timeout: 60_000 }, () => {
  const golden = JSON.parse(readFileSync(new URL('./golden/golden.json', import.meta.url), 'utf8'))
  const trace = createTrace(golden.trace.lines.map((line: string) => JSON.parse(line)))
  writeFileSync(join(folder, 'trace.jsonl'), formatTrace(trace))
  expect(run(`${block('def trace_digest')}\nprint(trace_digest('trace.jsonl'))`)).toBe(trace.digest)
})

test.skipIf(noPython)('the page’s program checks a journal', { timeout: 60_000 }, () => {
  const golden = JSON.parse(readFileSync(new URL('./golden/golden.json', import.meta.url), 'utf8'))
  const lines = golden.journal.map(({ line }: { line: string }) => `${line}\n`).join('')
  expect(page).toContain(lines)
  writeFileSync(join(folder, 'journal.jsonl'), lines)
  expect(run(`${block('def check_journal')}\nprint(check_journal('journal.jsonl'))`)).toBe(golden.journal[1].sha256)
})

test.skipIf(noPython)('the page’s program checks a bundle and makes its bytes again', { timeout: 60_000 }, async () => {
  const path = await makeBundle(join(folder, 'x.bundle'))
  const code = `${block('def check_bundle')}\nprint(check_bundle('x.bundle'))`
  expect(run(code)).toBe((await openBundle(path)).id)
})

test.skipIf(noNumpy)('the page’s program computes relative L2, bit for bit', { timeout: 60_000 }, () => {
  for (const [dtype, n] of [
    ['f32', 100_003],
    ['f64', 16_384],
    ['f16', 5],
  ] as const) {
    const stream = createStream('1', dtype)
    const [a, b] = [drawTensor('wide', dtype, [n], stream), drawTensor('normal', dtype, [n], stream)]
    writeFileSync(join(folder, 'a.npy'), formatNpy(a))
    writeFileSync(join(folder, 'b.npy'), formatNpy(b))
    const code = `${block('def relative_l2')}\nprint(repr(relative_l2(np.load('a.npy'), np.load('b.npy'))))`
    expect(Number(run(code))).toBe(compareTensors(a, b).statistics.relativeL2)
  }
})

const tools = ['unzip', 'xxd', 'openssl']
const lacking = tools.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
const noTools = needs(
  'the commands of docs/formats.md that check a signature',
  lacking.length === 0,
  `there is no ${lacking.join(', ')}`,
  'bash deploy/tests/install.sh',
)

test.skipIf(noTools)('the page’s commands check the signature of a bundle', { timeout: 60_000 }, async () => {
  const { signature } = await openBundle(await makeBundle(join(folder, 'one.bundle')))
  const script = [...page.matchAll(/```sh\n(.*?)```/gs)]
    .map(([, code]) => code as string)
    .find((code) => code.includes('pkeyutl'))
  const check = (made: string) =>
    spawnSync(
      'bash',
      ['-c', (script ?? '').replace('printf KEY', `printf ${signature.key}`).replace('SIGNATURE |', `${made} |`)],
      {
        ...{ cwd: folder, encoding: 'utf8' },
      },
    )
  expect(check(signature.signature)).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('Verified Successfully'),
  })
  const flipped = `${signature.signature.startsWith('0') ? '1' : '0'}${signature.signature.slice(1)}`
  expect(check(flipped).status).not.toBe(0)
})
