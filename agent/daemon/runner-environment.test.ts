import { describe, expect, it } from 'vitest'
import type { KnobDescription } from '../../shared/backend-description.ts'
import { environmentFacts, environmentRecord, runnerStart } from './runner-environment.ts'

const knob = (name: string, pattern: string, apply: KnobDescription['apply']): KnobDescription => ({
  ...{ name, pattern, apply, description: name, source: 'IF.software', values: 'such', override: false },
})
const knobs = [
  knob('hwcaps', '^[-+A-Za-z0-9_,]+$', { by: 'env', variable: 'GLIBC_TUNABLES', template: 'glibc.cpu.hwcaps=%s' }),
  knob('threads', '^\\d+$', { by: 'env', variable: 'OMP_NUM_THREADS', template: '%s' }),
  knob('jit', '^(on|off)$', { by: 'node-arguments', arguments: { off: ['--jitless'], on: [] } }),
  knob('order', '^.+$', { by: 'call' }),
]

describe('runnerStart', () => {
  it('lets through what programs need and numeric libraries read, and nothing else', () => {
    const agent = {
      ...{ PATH: '/bin', HOME: '/home/x', LANG: 'C', LD_LIBRARY_PATH: '/opt/lib', TMPDIR: '/tmp' },
      ...{ OPENBLAS_CORETYPE: 'Haswell', OMP_NUM_THREADS: '4', GLIBC_TUNABLES: 'x=y', TF_ENABLE_ONEDNN_OPTS: '0' },
      ...{
        BITFLEET_TOKEN: 's',
        AWS_SECRET: 's',
        NODE_OPTIONS: '-r x',
        LD_PRELOAD: 'x',
        HTTPS_PROXY: 'p',
        XOMP_X: '1',
        ABSENT: undefined,
      },
    }
    expect(runnerStart(agent, knobs, {}, '/scratch').environment).toEqual({
      ...{ PATH: '/bin', HOME: '/home/x', LANG: 'C', LD_LIBRARY_PATH: '/opt/lib', TMPDIR: '/scratch' },
      ...{ OPENBLAS_CORETYPE: 'Haswell', OMP_NUM_THREADS: '4', GLIBC_TUNABLES: 'x=y', TF_ENABLE_ONEDNN_OPTS: '0' },
    })
  })

  it('takes no place and no secret for a number, whatever it is called', () => {
    const other = ['TF_CLI_CONFIG_FILE', 'TF_TOKEN_app_terraform_io', 'TF_VAR_password', 'TF_CONFIG', 'CUDA_HOME']
    const more = ['NVIDIA_API_KEY', 'XLA_TOKEN', 'OMP_TOOL_LIBRARIES_PATH', 'MKL_SECRET', 'CUDA_PATH', 'XLA_DUMP_DIR']
    const passed = [
      ...['TF_ENABLE_ONEDNN_OPTS', 'TF_DETERMINISTIC_OPS', 'TF_CUDNN_DETERMINISTIC', 'TF_XLA_FLAGS', 'XLA_FLAGS'],
      ...['NVIDIA_TF32_OVERRIDE', 'CUDA_VISIBLE_DEVICES', 'CUBLAS_WORKSPACE_CONFIG', 'MKL_CBWR', 'KMP_AFFINITY'],
    ]
    const agent = Object.fromEntries([...other, ...more, ...passed].map((name) => [name, '1']))
    expect(Object.keys(runnerStart(agent, [], {}, '/s').environment).sort()).toEqual([...passed, 'TMPDIR'].sort())
    expect(Object.keys(environmentFacts(agent)).sort()).toEqual(passed.map((name) => `env.${name}`).sort())
  })

  it('puts knobs over the agent’s own variables', () => {
    const agent = { OMP_NUM_THREADS: '4' }
    expect(runnerStart(agent, knobs, { threads: 2, hwcaps: '-FMA', jit: 'off', order: 'reverse' }, '/s')).toEqual({
      environment: { TMPDIR: '/s', OMP_NUM_THREADS: '2', GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA' },
      nodeArguments: ['--jitless'],
      ambient: {},
      choosesCodePath: false,
    })
  })

  it('tells what of the agent’s environment is in force, and whether that selects a code path', () => {
    const agent = { OMP_NUM_THREADS: '4', GLIBC_TUNABLES: 'glibc.malloc.check=3:glibc.cpu.hwcaps=-AVX2', PATH: '/bin' }
    const without = runnerStart(agent, knobs, {}, '/s')
    expect(without.environment.GLIBC_TUNABLES).toBe('glibc.malloc.check=3:glibc.cpu.hwcaps=-AVX2')
    expect(without).toMatchObject({
      ambient: { OMP_NUM_THREADS: '4', GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-AVX2' },
      choosesCodePath: true,
    })
    const byKnob = runnerStart(agent, knobs, { hwcaps: '-FMA' }, '/s')
    expect(byKnob).toMatchObject({ ambient: { OMP_NUM_THREADS: '4' }, choosesCodePath: false })
  })

  it('takes what a runner’s own command sets for no variable of the agent, and for a code path all the same', () => {
    const own = { OPENBLAS_CORETYPE: 'Haswell' }
    expect(runnerStart({ OPENBLAS_CORETYPE: 'Zen' }, knobs, {}, '/s', own)).toMatchObject({
      ambient: {},
      choosesCodePath: true,
    })
  })

  it('sees a code path in a flag of Node, by a knob or by NODE_OPTIONS', () => {
    const flags = [knob('sse', '^off$', { by: 'node-arguments', arguments: { off: ['--no-enable-sse4-1'] } }), ...knobs]
    expect(runnerStart({}, flags, { sse: 'off' }, '/s').choosesCodePath).toBe(true)
    expect(runnerStart({}, flags, { jit: 'off' }, '/s').choosesCodePath).toBe(false)
    expect(runnerStart({}, [], {}, '/s', { NODE_OPTIONS: '--jitless --no-enable-avx2' }).choosesCodePath).toBe(true)
    // The agent's own NODE_OPTIONS reach no runner.
    expect(runnerStart({ NODE_OPTIONS: '--no-enable-avx2' }, [], {}, '/s').choosesCodePath).toBe(false)
  })

  it('does not read a value as a pattern of its own', () => {
    const free = [knob('free', '^.*$', { by: 'env', variable: 'OMP_FREE', template: '<%s>' })]
    expect(runnerStart({}, free, { free: '$& %s' }, '/s').environment.OMP_FREE).toBe('<$& %s>')
  })

  it('refuses knobs and values that the backend does not have', () => {
    expect(() => runnerStart({}, knobs, { colour: 'red' }, '/s')).toThrow(expect.objectContaining({ code: 'usage' }))
    expect(() => runnerStart({}, knobs, { threads: 'many' }, '/s')).toThrow(/"many"/)
    expect(() => runnerStart({}, knobs, { hwcaps: 'a\nb:x=y' }, '/s')).toThrow(
      expect.objectContaining({ code: 'usage' }),
    )
  })
})

describe('environmentFacts', () => {
  it('are the variables that bear on bits only, and of GLIBC_TUNABLES the processor’s part', () => {
    const environment = { PATH: '/bin', OMP_NUM_THREADS: '2', LD_LIBRARY_PATH: '/l', TMPDIR: '/s' }
    expect(environmentFacts({ ...environment, GLIBC_TUNABLES: 'x=y:glibc.cpu.hwcaps=-FMA' })).toEqual({
      'env.OMP_NUM_THREADS': '2',
      'env.LD_LIBRARY_PATH': '/l',
      'env.GLIBC_TUNABLES': 'glibc.cpu.hwcaps=-FMA',
    })
    expect(environmentFacts({ GLIBC_TUNABLES: 'x=y', OPENBLAS_CORETYPE: '' })).toEqual({})
  })
})

describe('environmentRecord', () => {
  it('has facts of what reaches runners, and says of a preloaded library that it does not', () => {
    const agent = { PATH: '/bin', OPENBLAS_CORETYPE: 'Haswell', CUDA_VISIBLE_DEVICES: '0', LD_PRELOAD: '/x.so' }
    expect(environmentRecord(agent)).toEqual({
      facts: { 'env.OPENBLAS_CORETYPE': 'Haswell', 'env.CUDA_VISIBLE_DEVICES': '0' },
      attributes: {
        'warning.LD_PRELOAD': 'the agent was started with LD_PRELOAD=/x.so; its runners do not get this variable',
      },
    })
    expect(environmentRecord({ PATH: '/bin', LD_PRELOAD: '' })).toEqual({ facts: {}, attributes: {} })
  })
})
