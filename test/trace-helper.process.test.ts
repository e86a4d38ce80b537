import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseSafetensors } from '../shared/safetensors.ts'
import { needs } from './needs.ts'
import { python, withoutPython } from './python.ts'

// python/bitfleet_trace.py by its own tests, under the Pythons there are; and what it writes, read by what Bitfleet reads.

const root = resolve(import.meta.dirname, '..')
const helper = join(root, 'python')
const environment = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: helper }

/** A Python with a library, which a variable names. */
function libraryPython(variable: string, module: string): string | undefined {
  const interpreter = process.env[variable] ?? ''
  const has =
    interpreter !== '' && spawnSync(interpreter, ['-c', `import ${module}`], { env: environment }).status === 0
  const why = interpreter === '' ? `${variable} names no Python` : `${interpreter} has no ${module}`
  return needs(`tracing of ${module}`, has, `${why} with ${module}`) ? undefined : interpreter
}

/** What its tests say of themselves; `OK` alone where they passed. */
function unittest(interpreter: string, tests: string): string {
  const { status, stderr } = spawnSync(interpreter, ['-m', 'unittest', tests], {
    ...{ encoding: 'utf8', cwd: join(helper, 'tests'), env: environment, timeout: 580_000 },
  })
  return status === 0 && /Ran [1-9]\d* tests? in/.test(stderr) ? 'OK' : stderr
}

const skipped = withoutPython('the helper that traces trainings')
const pytorch = libraryPython('BITFLEET_TEST_PYTORCH', 'torch')
const keras = libraryPython('BITFLEET_TEST_KERAS', 'keras')

describe.skipIf(skipped)('bitfleet_trace.py', () => {
  it('passes its tests that need no framework', () => {
    expect(unittest(python, 'test_without_frameworks')).toBe('OK')
  })

  it('writes files that Bitfleet reads, byte for byte, in their order', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bitfleet-trace-'))
    try {
      const script = `
import bitfleet_trace as trace
folder = trace._Folder(${JSON.stringify(join(folder, 'out'))})
raws = [("z", trace.Raw("BF16", (2, 1), b"\\x80\\x3f\\xa1\\x7f")), ("none", trace.Raw("F64", (0,), b"")),
        ("a/é#2", trace.Raw("BOOL", (), b"\\x01")), ("n", trace.Raw("F32", (1,), b"\\x01\\x00\\x80\\x7f"))]
folder.write(0, raws[:1], "input")
folder.write(1, raws)
`
      const { status, stderr } = spawnSync(python, ['-c', script], { encoding: 'utf8', env: environment })
      expect(status, stderr).toBe(0)
      const lines = readFileSync(join(folder, 'out/trace.ndjson'), 'utf8').trimEnd().split('\n')
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
        { checkpoint: { step: 0, file: '000001.safetensors', role: 'input' } },
        { checkpoint: { step: 1, file: '000002.safetensors' } },
      ])
      const tensors = parseSafetensors(readFileSync(join(folder, 'out/000002.safetensors')))
      expect([...tensors].map(([name, { dtype, shape, bytes }]) => [name, dtype, [...shape], hex(bytes)])).toEqual([
        ['z', 'bf16', [2, 1], '803fa17f'],
        ['none', 'f64', [0], ''],
        ['a/é#2', 'bool', [], '01'],
        ['n', 'f32', [1], '0100807f'],
      ])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('takes three lines of a script, which are those of the page', () => {
    const read = (file: string) => readFileSync(join(root, 'docs', file), 'utf8').split('\n')
    const traced = read('examples/trace/train_traced.py')
    const added = /bitfleet_trace|trace\.step/
    expect(traced.filter((line) => !added.test(line))).toEqual(read('examples/trace/train.py'))
    const lines = traced.filter((line) => added.test(line))
    expect(lines).toHaveLength(3)
    const page = read('trace-a-training.md').filter((line) => line.startsWith('+'))
    expect(page).toEqual(lines.map((line) => `+${line}`))
  })

  it('is a package of the one file, at its version', () => {
    const about = readFileSync(join(helper, 'pyproject.toml'), 'utf8')
    const source = readFileSync(join(helper, 'bitfleet_trace.py'), 'utf8')
    expect(/^version = "(.*)"$/m.exec(about)?.[1]).toBe(/^__version__ = "(.*)"$/m.exec(source)?.[1])
    expect(about).toContain('py-modules = ["bitfleet_trace"]')
  })
})

const classes = ['Bits', 'Names', 'Types', 'Facts', 'Ends']
describe.skipIf(pytorch === undefined)('bitfleet_trace.py and PyTorch', () => {
  it('has all of its tests named here', () => {
    const source = readFileSync(join(helper, 'tests/test_pytorch.py'), 'utf8')
    expect([...source.matchAll(/^class (\w+)\(unittest/gm)].map(([, name]) => name)).toEqual(classes)
  })

  it.each(classes)('passes its tests: %s', { timeout: 600_000 }, (name) => {
    expect(unittest(pytorch as string, `test_pytorch.${name}`)).toBe('OK')
  })
})

describe.skipIf(keras === undefined)('bitfleet_trace.py and Keras', () => {
  it('passes its tests', { timeout: 600_000 }, () => {
    expect(unittest(keras as string, 'test_keras')).toBe('OK')
  })
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
