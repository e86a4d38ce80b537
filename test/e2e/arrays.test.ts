import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { formatNpy } from '../../shared/npy.ts'
import { createTensor, type DType } from '../../shared/tensor.ts'
import { cleanUp, folder, runPlan } from './bitfleet.ts'

afterAll(cleanUp)

it("reads users' arrays of equal bytes each with its own dtype and shape", async () => {
  const out = folder()
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => (i % 4 === 3 ? 0x3f : i))
  const array = (file: string, dtype: DType, shape: number[]) => {
    writeFileSync(join(out, file), formatNpy(createTensor(dtype, shape, bytes)))
    return `{ file: ${file}, digest: "${digestOf(bytes)}" }`
  }
  const wide = array('wide.npy', 'f32', [2, 8])
  const square = array('square.npy', 'f32', [4, 4])
  const tall = array('tall.npy', 'f32', [8, 2])
  const double = array('double.npy', 'f64', [8])
  const { report } = await runPlan(
    `
name: shapes
repetitions: 2
workloads:
  - nn.softmax: { dtype: f32, input: ${wide} }
  - nn.softmax: { dtype: f32, input: ${square} }
  - linalg.gemm: { dtype: f32, input: ${wide}, inputB: ${tall} }
  - linalg.gemm: { dtype: f32, input: ${tall}, inputB: ${wide} }
  - reduce.sum: { dtype: f32, input: ${square} }
  - reduce.sum: { dtype: f64, input: ${double} }
factors: { backend: [js, tfjs-cpu] }
`,
    { out },
  )
  const ofBackend = (backend: string) => report.cells.filter(({ condition }) => condition.backend === backend)
  const shapes = ofBackend('js').map(({ outputs }) => outputs.map(({ dtype, shape }) => `${dtype}[${shape}]`).join())
  expect(shapes).toEqual(['f32[2,8]', 'f32[4,4]', 'f32[2,2]', 'f32[8,8]', 'f32[]', 'f64[]'])
  // The other backend reads the same arrays, where it has the dtype.
  expect(ofBackend('tfjs-cpu').map(({ status }) => status)).toEqual([
    ...new Array<string>(5).fill('completed'),
    'unsupported',
  ])
  // Each row has its own array, and both of its cells have the same.
  expect(report.comparisons).toHaveLength(6)
  expect(report.comparisons.every(({ inputsEqual }) => inputsEqual)).toBe(true)
})
