import { describe, expect, it } from 'vitest'
import { needs } from './needs.ts'
import { addedPython, askPython } from './python-runner.ts'

// The knobs of PyTorch and JAX: put into force, and read back from the library.

// The newest of each.
const pytorch = newest('pytorch')
const jax = newest('jax')
const lacks = (name: string) => `BITFLEET_TEST_STATE names no state folder with ${name}@VERSION`
const timeout = 170_000

describe.skipIf(needs('knobs of PyTorch', pytorch !== undefined, lacks('pytorch')))('PyTorch', { timeout }, () => {
  const ask = (knobs: Record<string, string | number>, workload = 'nn.conv2d', params: object = {}) => {
    if (pytorch === undefined) throw new Error('there is no PyTorch')
    return askPython(pytorch, { workload, params: { ...params }, knobs })
  }

  it('reads back what a call sets', async () => {
    const knobs = { threads: 1, interopThreads: 1, deterministic: 'on', mkldnn: 'off', matmulPrecision: 'medium' }
    const told = await ask(knobs)
    expect(told.last, told.log).toMatchObject({ type: 'finished' })
    expect(told.settings).toMatchObject({ ...knobs, threads: '1', interopThreads: '1' })
    expect(told.facts).toMatchObject({ 'pool.pytorch.threads': '1', 'lib.python.version': expect.any(String) })
    expect(told.mapped.join('\n')).toMatch(/libtorch_cpu\.so/)
    expect(told.notes).toEqual([])
  })

  it.skipIf(process.arch !== 'x64')('reads back which code path its variables choose', async () => {
    const told = await ask({ cpuCapability: 'default', onednnMaxIsa: 'AVX2' })
    expect(told.settings).toMatchObject({ cpuCapability: 'default', onednnMaxIsa: 'AVX2' })
    const native = await ask({})
    expect(native.settings.onednnMaxIsa).toMatch(/^[A-Z0-9_]+$/)
    expect(native.checkpoints.slice(0, 2)).toEqual(told.checkpoints.slice(0, 2))
  })

  it.skipIf(process.arch !== 'x64')('says where MKL has another branch than it was asked for', async () => {
    const compatible = await ask({ mklCbwr: 'COMPATIBLE' }, 'linalg.gemm', { n: 40 })
    expect(compatible.states).toEqual({ mklCbwr: { state: 'in force' } })
    const unknown = await ask({ mklCbwr: 'NOTHING' }, 'linalg.gemm', { n: 40 })
    expect(unknown.states.mklCbwr).toMatchObject({ state: 'replaced', by: unknown.settings.mklCbwr })
  })
})

describe.skipIf(needs('knobs of JAX', jax !== undefined, lacks('jax')))('JAX', { timeout }, () => {
  const ask = (knobs: Record<string, string | number | boolean>, workload = 'nn.layernorm') => {
    if (jax === undefined) throw new Error('there is no JAX')
    return askPython(jax, { workload, params: workload === 'nn.layernorm' ? { rows: 3 } : {}, knobs })
  }

  it("reads back XLA's flags, those at their defaults too", async () => {
    const knobs = { fastMath: true, multiThreadEigen: false, optimizationLevel: 1, jit: 'off' }
    const told = await ask(knobs)
    expect(told.last, told.log).toMatchObject({ type: 'finished' })
    expect(told.settings).toMatchObject({
      ...{ fastMath: 'true', multiThreadEigen: 'false', optimizationLevel: '1', jit: 'off' },
    })
    const plain = await ask({ fastMath: false })
    const defaults = { fastMath: 'false', multiThreadEigen: 'true', maxIsa: 'none', optimizationLevel: '3', jit: 'on' }
    expect(plain.settings).toMatchObject(defaults)
    expect(plain.states).toEqual({ fastMath: { state: 'in force' } })
    expect(plain.facts['lib.jaxlib.version']).toMatch(/^\d/)
  })

  it.skipIf(process.arch !== 'x64')('takes the code path of an older processor', async () => {
    expect((await ask({ maxIsa: 'AVX2' })).settings.maxIsa).toBe('AVX2')
  })

  it('says of what it cannot read back that it cannot', async () => {
    expect((await ask({ threads: 1 })).states).toEqual({
      threads: { state: 'unknown', why: expect.stringContaining('NPROC was given to XLA') as string },
    })
  })

  it('says that its layer normalisation is made of other operations, and only where it is used', async () => {
    expect((await ask({})).notes).toMatchObject([{ kind: 'fallback', subject: 'layernorm' }])
    expect((await ask({}, 'nn.softmax')).notes).toEqual([])
  })

  it('flushes subnormals, whatever the mode of the calling thread', async () => {
    const { facts } = await ask({})
    expect(facts).toMatchObject({ 'fp.after.ftz': 'no', 'fp.after.library.ftz': 'yes' })
  })
})

function newest(name: 'pytorch' | 'jax') {
  return addedPython(name)
    .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
    .at(-1)
}
