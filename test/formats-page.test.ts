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
import { makeBundle } from './bundles.ts'

// The program text of docs/formats.md, run as a reader would run it.
const page = readFileSync(new URL('../docs/formats.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code as string)
const python = process.env.BITFLEET_TEST_PYTHON ?? 'python3'
const has = (module: string) => spawnSync(python, ['-c', `import ${module}`]).status === 0
const plain = has('hashlib')
const numpy = has('numpy')
if (!numpy)
  process.stderr.write(
    `formats-page.test.ts: ${plain ? 'the numpy parts' : 'all'} NOT RUN, ${python} cannot import them\n`,
  )

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-page-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = (code: string) => {
  const { stdout, stderr, status } = spawnSync(python, ['-c', code], { encoding: 'utf8', cwd: folder, timeout: 60_000 })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return stdout.trim()
}
const block = (holding: string) => {
  const found = blocks.filter((code) => code.includes(holding))
  expect(found).toHaveLength(1)
  return found[0] as string
}

test.runIf(plain)('what the page says a program prints, it prints', { timeout: 60_000 }, () => {
  for (const code of blocks.filter((text) => /^print\(/m.test(text) && (numpy || !text.includes('numpy')))) {
    const said = /(?:\n# | {2}# )(.*)\n$/.exec(code)?.[1]
    expect(run(code)).toBe(said)
  }
})

test.runIf(plain)('the page’s program computes trace digests', { timeout: 60_000 }, () => {
  const golden = JSON.parse(readFileSync(new URL('./golden/golden.json', import.meta.url), 'utf8'))
  const trace = createTrace(golden.trace.lines.map((line: string) => JSON.parse(line)))
  writeFileSync(join(folder, 'trace.jsonl'), formatTrace(trace))
  expect(run(`${block('def trace_digest')}\nprint(trace_digest('trace.jsonl'))`)).toBe(trace.digest)
})

test.runIf(plain)('the page’s program checks a bundle and makes its bytes again', { timeout: 60_000 }, async () => {
  const path = await makeBundle(join(folder, 'x.bundle'))
  const code = `${block('def check_bundle')}\nprint(check_bundle('x.bundle'))`
  expect(run(code)).toBe((await openBundle(path)).id)
})

test.runIf(numpy)('the page’s program computes relative L2, bit for bit', { timeout: 60_000 }, () => {
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
