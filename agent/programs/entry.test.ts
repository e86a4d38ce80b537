import { describe, expect, it } from 'vitest'
import { backends } from '../backends/index.ts'
import { knobDescriptionSchema, publicBackendNames } from '../../shared/backend-description.ts'
import { partFacts } from '../../shared/facts.ts'
import { providers } from '../provision/providers/index.ts'
import { describeKnobs, programDigest, programEntrySchema, programFacts, runnerVariables } from './entry.ts'
import { issuesText } from './issues.ts'

const digest = (digit: string) => `sha256:${digit.repeat(64)}`
const written = {
  id: 'digits@torch-2.6',
  command: ['/venv/bin/python', '/home/you/train.py', '--quick'],
  parameters: { epochs: 2 },
  knobs: [{ name: 'threads', variable: 'OMP_NUM_THREADS', values: { from: 1, to: 64 } }],
  environment: { OMP_DYNAMIC: 'FALSE' },
  pins: { '/venv/bin/python': digest('1'), '/home/you/train.py': digest('2'), '/home/you/load.py': digest('3') },
}
const entry = (changes: object = {}) => programEntrySchema.parse({ ...written, ...changes })
const refusal = (changes: object) => {
  const { error } = programEntrySchema.safeParse({ ...written, ...changes })
  return error && issuesText(error)
}
const knob = (variable: string, more: object = {}) => ({ name: 'k', variable, values: ['a'], ...more })

describe('an entry of the list', () => {
  it('has no name that a backend has', () => {
    // So that this list is enough to refuse by.
    const taken = [...backends.map(({ id }) => id), ...providers.map(({ id }) => id)]
    expect(publicBackendNames).toEqual(expect.arrayContaining(taken))
    for (const id of ['js', 'pytorch', 'tensorflow@9', 'cuda@mine']) expect(refusal({ id })).toMatch(/^id: a backend/)
    for (const id of ['Digits', 'digits@', '-x', 'a.b', 'a/b', '']) expect(refusal({ id })).toMatch(/^id: a program is/)
  })

  it.each<[object, RegExp]>([
    [{ command: ['python3', 'train.py'] }, /^command: the first is .* by its absolute path/],
    [{ command: [] }, /^command: /],
    [{ command: ['/bin/sh', 'a\0b'] }, /^command\.1: .*NUL/],
    [{ directory: 'here' }, /^directory: this is no absolute path/],
    [{ parameters: { name: 'x' } }, /^parameters\.name: .*call the parameter otherwise/],
    [{ parameters: { rate: [1] } }, /^parameters\.rate: /],
    [{ parameters: { 'a b': 1 } }, /^parameters\.a b: /],
    [{ pins: { 'train.py': digest('1') } }, /^pins\.train\.py: /],
    [{ pins: { '/train.py': '1234' } }, /^pins\.\/train\.py: /],
    [{ environment: { BITFLEET_SEED: '1' } }, /set by Bitfleet/],
    [{ shell: true }, /"shell"/],
    [{ knobs: [knob('A', { name: 'Threads' })] }, /^knobs\.0\.name: /],
    [{ knobs: [knob('A'), knob('B')] }, /^knobs\.1\.name: two knobs have the name k/],
    [{ knobs: [knob('A'), knob('A', { name: 'l' })] }, /^knobs\.1\.variable: two knobs have the variable A/],
    [{ knobs: [knob('A', { values: 'anything' })] }, /^knobs\.0\.values: /],
  ])('is not %j', (changes, message) => expect(refusal(changes)).toMatch(message))

  it.each([
    ...['LD_PRELOAD', 'LD_LIBRARY_PATH', 'PYTHONPATH', 'PYTHONSTARTUP', 'PYTHONHOME', 'NODE_OPTIONS', 'NODE_PATH'],
    ...[
      'PATH',
      'BASH_ENV',
      'ENV',
      'PERL5LIB',
      'RUBYOPT',
      'JULIA_LOAD_PATH',
      'R_LIBS_USER',
      'JAVA_TOOL_OPTIONS',
      'GCONV_PATH',
      'OMP_TOOL_LIBRARIES',
    ],
    ...['DYLD_INSERT_LIBRARIES', 'HOME', 'OPENSSL_CONF', 'MY_PLUGIN', 'SOME_FILE', 'PYTHONWARNINGS'],
    ...['CC', 'CXX', 'TRITON_PTXAS_PATH', 'PJRT_NAMES_AND_LIBRARY_PATHS'],
  ])('lets no plan choose %s, by which code is loaded', (variable) => {
    expect(refusal({ knobs: [knob(variable)] })).toMatch(/^knobs\.0\.variable: .*no plan may choose it/)
    // The owner may fix it; the runner is not started with it.
    expect(runnerVariables(entry({ environment: { [variable]: '/x', OMP_DYNAMIC: 'FALSE' } }))).toEqual({
      OMP_DYNAMIC: 'FALSE',
    })
  })

  it.each(['REDUCE_ORDER', 'RANK', 'NODE_RANK', 'JULIA_NUM_THREADS', 'LDA', 'PATHS', 'PYTHONHASHSEED', 'PYTHONMALLOC'])(
    'lets a plan choose %s',
    (variable) => expect(refusal({ knobs: [knob(variable)] })).toBeUndefined(),
  )

  it.each([
    ['OMP_NUM_THREADS', 'IF.parallel', false],
    ['ATEN_CPU_CAPABILITY', 'IF.processor', true],
    ['OPENBLAS_CORETYPE', 'IF.processor', true],
    ['ONEDNN_MAX_CPU_ISA', 'IF.processor', true],
    ['NPY_DISABLE_CPU_FEATURES', 'IF.processor', true],
    ['GLIBC_TUNABLES', 'IF.processor', true],
    ['CUBLAS_WORKSPACE_CONFIG', 'IF.autotune', false],
    ['NVIDIA_TF32_OVERRIDE', 'IF.rounding', false],
    ['PYTHONHASHSEED', 'IF.seed-semantics', false],
    ['MY_OWN', 'IF.software', false],
  ])('knows of %s that it varies %s', (variable, source, override) => {
    const [described] = describeKnobs(entry({ knobs: [knob(variable)] }))
    expect(knobDescriptionSchema.parse(described)).toMatchObject({
      ...{ source, override, apply: { by: 'env', variable, template: '%s' } },
    })
    const [own] = describeKnobs(entry({ knobs: [knob(variable, { source: 'AF.shuffle' })] }))
    expect(own?.source).toBe('AF.shuffle')
  })
})

describe('the version of a program', () => {
  const moved = {
    id: 'digits',
    command: ['/opt/bin/python', '/srv/train.py', '--quick'],
    pins: { '/srv/lib/load.py': digest('3'), '/srv/train.py': digest('2'), '/opt/bin/python': digest('1') },
  }

  it('is of what it is made of, wherever that lies and however it is called', () => {
    expect(programDigest(entry(moved))).toBe(programDigest(entry()))
    expect(programDigest(entry({ directory: '/home/you', command: ['/venv/bin/python', 'train.py', '--quick'] }))).toBe(
      programDigest(entry()),
    )
  })

  it.each<[string, object]>([
    ['file of the command', { pins: { ...written.pins, '/home/you/train.py': digest('4') } }],
    ['other file', { pins: { ...written.pins, '/home/you/load.py': digest('4') } }],
    ['argument', { command: [...written.command.slice(0, 2), '--slow'] }],
    ['variable', { environment: {} }],
  ])('is another with another %s', (_, changes) => {
    expect(programDigest(entry(changes))).not.toBe(programDigest(entry()))
  })

  it.each(['constructor', '__proto__', 'toString'])('is of an argument that reads %s, too', (argument) => {
    const digestWith = (last: string) => programDigest(entry({ command: ['/bin/echo', last], pins: {} }))
    expect(digestWith(argument)).toMatch(/^sha256:/)
    expect(digestWith(argument)).not.toBe(digestWith('{}'))
  })

  it('stands in the facts, with each file by its name', () => {
    const facts = programFacts(entry({ pins: { ...written.pins, '/other/load.py': digest('5') } }))
    expect(facts).toEqual({
      'program.digest': expect.stringMatching(/^sha256:/) as string,
      'program.file.python': digest('1'),
      'program.file.train.py': digest('2'),
      'program.file.load.py': digest('3'),
      'program.file.load.py#2': digest('5'),
    })
    const defaults = entry({ parameters: { epochs: 2, load: '', quick: false } })
    const { 'program.digest': _, ...left } = programFacts({ ...defaults, pins: {} }, { epochs: 2 })
    expect(left).toEqual({ 'program.default.load': '""', 'program.default.quick': 'false' })
    expect(partFacts(left).facts).toEqual(left)
    // Also of a file whose name looks like what no fact says.
    expect(partFacts(facts).facts).toEqual(facts)
  })
})
