import { describe, expect, it } from 'vitest'
import { js } from '../../agent/backends/js.ts'
import { libm } from '../../agent/backends/libm.ts'
import { tfjsCpu } from '../../agent/backends/tfjs-cpu.ts'
import { createRegistry } from '../../shared/registry.ts'
import { catalogue, findDescription, sources } from '../../workloads/catalogue.ts'
import { workloads } from '../../workloads/index.ts'
import { workloadContract } from './workload.ts'

/** Parameters that keep a workload small; by its id, else by its family. */
const small: Record<string, Record<string, unknown>> = {
  reduce: { n: 300, data: 'wide' },
  'linalg.gemv': { m: 5, n: 70 },
  'linalg.gemm': { m: 3, k: 50, n: 4 },
  elementary: { n: 100 },
  nn: { rows: 3, n: 40 },
  'nn.conv2d': { batch: 1, height: 5, channels: 3, filters: 2 },
  train: { steps: 2, checkpoints: 'operation' },
}

const libmStatus = (await libm.detect()).status
const portable = libmStatus === 'ready' ? [js, tfjsCpu, libm] : [js, tfjsCpu]

// The one without a schema is a program of somebody's own: workloads/program.test.ts.
const schemed = workloads.filter(({ schema }) => schema !== undefined)

it('every workload but that of listed programs has a schema', () => {
  expect(workloads.filter(({ schema }) => schema === undefined).map(({ id }) => id)).toEqual(['program'])
})

describe.each(schemed.map((workload) => [workload.id, workload] as const))('workload %s', (id, workload) => {
  const params = small[id] ?? small[id.split('.')[0] as string]
  if (!params) throw new Error(`${id}: add small parameters for it to test/contracts/workload.test.ts`)
  workloadContract(workload, params, portable)
})

describe('the registry of workloads', () => {
  it('refuses an id listed twice', () => {
    expect(() => createRegistry('workload', [{ id: 'a.b' }, { id: 'a.c' }, { id: 'a.b' }])).toThrow(
      /"a\.b" is listed twice/,
    )
  })

  it('is what the catalogue shows', () => {
    expect(catalogue.map(({ id }) => id)).toEqual(workloads.map(({ id }) => id))
    expect(findDescription('reduce.sum')?.title).toBe('Sum')
    expect(findDescription('reduce.summ')).toBeUndefined()
  })

  it('stands beside the sources of irreproducibility, each once', () => {
    expect(new Set(sources.map(({ id }) => id)).size).toBe(20)
  })
})
