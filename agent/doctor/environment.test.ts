import { describe, expect, it } from 'vitest'
import { checkEnvironment } from './environment.ts'

describe('checkEnvironment', () => {
  it('warns of each variable, with its value, what it does and how to remove it', () => {
    const checks = checkEnvironment({
      ...{ PATH: '/bin', HOME: '/root', OPENBLAS_CORETYPE: 'Haswell', OMP_NUM_THREADS: '2', LD_LIBRARY_PATH: '/l' },
      GLIBC_TUNABLES: 'glibc.malloc.check=3:glibc.cpu.hwcaps=-FMA',
    })
    expect(checks).toEqual([
      {
        ...{ name: 'environment OPENBLAS_CORETYPE', status: 'warn' },
        fact: 'OPENBLAS_CORETYPE=Haswell: OpenBLAS takes the kernels of the processor that it names; every condition counts as override',
        remedy: 'unset OPENBLAS_CORETYPE, or start with --clean',
      },
      {
        ...{ name: 'environment OMP_NUM_THREADS', status: 'warn' },
        fact: 'OMP_NUM_THREADS=2: it sizes or places the threads of libraries, which may change sums',
        remedy: 'unset OMP_NUM_THREADS, or start with --clean',
      },
      {
        ...{ name: 'environment LD_LIBRARY_PATH', status: 'warn' },
        fact: 'LD_LIBRARY_PATH=/l: it chooses which shared libraries are loaded',
        remedy: 'unset LD_LIBRARY_PATH, if libraries are found without it; --clean keeps it',
      },
      expect.objectContaining({ fact: expect.stringMatching(/^GLIBC_TUNABLES=glibc\.cpu\.hwcaps=-FMA: /) }),
    ])
  })

  it('says that runners do not get a preloaded library', () => {
    expect(checkEnvironment({ LD_PRELOAD: '/x.so' })).toMatchObject([
      { name: 'environment LD_PRELOAD', status: 'warn', fact: expect.stringContaining('runners do not get') },
    ])
  })

  it('is well if there is none, and looks at nothing that runners do not get', () => {
    const other = { PATH: '/bin', GLIBC_TUNABLES: 'glibc.malloc.check=3', DNNL_MAX_CPU_ISA: 'AVX2', LD_PRELOAD: '' }
    expect(checkEnvironment(other)).toEqual([
      { name: 'environment', status: 'ok', fact: 'no variable changes what libraries compute' },
    ])
  })
})
