import { describe, expect, it } from 'vitest'
import {
  classifyVariable,
  cleanEnvironment,
  codePathVariables,
  effectOfVariable,
  isCodePathFlag,
  relevantValue,
} from './environment.ts'

describe('classifyVariable', () => {
  it.each([
    ['OPENBLAS_CORETYPE', 'Haswell', 'code path'],
    ['GLIBC_TUNABLES', 'glibc.malloc.arena_max=1:glibc.cpu.hwcaps=-FMA', 'code path'],
    ['GLIBC_TUNABLES', 'glibc.malloc.arena_max=1', undefined],
    ['OPENBLAS_CORETYPE', '', undefined],
    ['OMP_NUM_THREADS', '2', 'threads'],
    ['OMP_PROC_BIND', 'true', 'threads'],
    ['OPENBLAS_NUM_THREADS', '2', 'threads'],
    ['TF_NUM_INTRAOP_THREADS', '2', 'threads'],
    ['CUDA_VISIBLE_DEVICES', '', 'devices'],
    ['LD_LIBRARY_PATH', '/opt/lib', 'libraries'],
    ['LD_PRELOAD', '/opt/x.so', 'libraries'],
    ['PATH', '/bin', undefined],
    ['MALLOC_ARENA_MAX', '1', undefined],
    ['constructor', 'x', undefined],
  ])('%s=%s is about %s', (name, value, kind) => {
    expect(classifyVariable(name, value)).toBe(kind)
    expect(effectOfVariable(name, value) === undefined).toBe(kind === undefined)
  })

  it('knows every variable that DESIGN names as a code path', () => {
    const named = [
      ...['OPENBLAS_CORETYPE', 'BLIS_ARCH_TYPE', 'NPY_DISABLE_CPU_FEATURES', 'NPY_ENABLE_CPU_FEATURES'],
      ...['ATEN_CPU_CAPABILITY', 'ONEDNN_MAX_CPU_ISA', 'DNNL_MAX_CPU_ISA', 'MKL_CBWR', 'MKL_DEBUG_CPU_TYPE'],
      ...['GLIBC_TUNABLES', 'TF_ENABLE_ONEDNN_OPTS', 'XLA_FLAGS', 'NVIDIA_TF32_OVERRIDE', 'CUBLAS_WORKSPACE_CONFIG'],
    ]
    expect(Object.keys(codePathVariables)).toEqual(expect.arrayContaining(named))
  })
})

it('relevantValue keeps the tunables of the processor only', () => {
  expect(relevantValue('GLIBC_TUNABLES', 'glibc.malloc.check=3:glibc.cpu.hwcaps=-FMA:glibc.cpu.x86_ibt=off')).toBe(
    'glibc.cpu.hwcaps=-FMA:glibc.cpu.x86_ibt=off',
  )
  expect(relevantValue('CUDA_VISIBLE_DEVICES', '')).toBe('')
})

it('cleanEnvironment removes code paths and threads, and keeps devices, libraries and the rest', () => {
  const kept = {
    PATH: '/bin',
    CUDA_VISIBLE_DEVICES: '0',
    LD_LIBRARY_PATH: '/l',
    LD_PRELOAD: 'x',
    MALLOC_ARENA_MAX: '1',
  }
  const { environment, removed } = cleanEnvironment({
    ...kept,
    OPENBLAS_CORETYPE: 'Haswell',
    OMP_NUM_THREADS: '2',
    GLIBC_TUNABLES: 'glibc.malloc.check=3:glibc.cpu.hwcaps=-FMA',
  })
  expect(environment).toEqual({ ...kept, GLIBC_TUNABLES: 'glibc.malloc.check=3' })
  expect(removed).toEqual({
    OPENBLAS_CORETYPE: 'Haswell',
    OMP_NUM_THREADS: '2',
    GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA',
  })
})

it.each([
  ['--no-enable-sse4-1', true],
  ['--no_enable_sse4_1', true],
  ['--noenable-avx2', true],
  ['--no-enable-fma3', true],
  ['--arm-arch=armv7', true],
  ['--mcpu=x', true],
  ['--jitless', false],
  ['--max-old-space-size=64', false],
  ['--enable-source-maps', false],
  ['--enable-sharedarraybuffer-per-context', false],
])('isCodePathFlag(%s) is %s', (flag, expected) => expect(isCodePathFlag(flag)).toBe(expected))
