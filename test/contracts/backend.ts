import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backend, BackendDriver } from '../../agent/backends/backend.ts'
import { backendDescriptionSchema, knobDescriptionSchema } from '../../shared/backend-description.ts'
import { decodeFloats, encodeFloats } from '../../shared/half.ts'
import { type FloatDType, type Tensor, createTensor, elementCount } from '../../shared/tensor.ts'
import { type Computed, type Kernels, isUnsupported } from '../../workloads/kernels.ts'
import { sources } from '../../workloads/catalogue.ts'
import { unaligned } from '../hostile-bits.ts'

const dtypes: FloatDType[] = ['f64', 'f32', 'f16', 'bf16']

/** Small whole numbers, whose sums of products every dtype and every order holds exactly. */
function whole(dtype: FloatDType, ...shape: number[]): Tensor {
  const values = Array.from({ length: elementCount(shape) }, (_, i) => ((i * 7) % 5) - 2)
  return createTensor(dtype, shape, encodeFloats(dtype, values))
}

const at = (tensor: Tensor, i: number) => decodeFloats(tensor)[i] as number

/** Calls of kernels on whole numbers, and what must come out, computed one element at a time. */
const calls: { [Name in keyof Kernels]?: (kernel: NonNullable<Kernels[Name]>, operands: Tensor[]) => Computed } = {
  sum: (sum, [x]) => sum(x as Tensor),
  dot: (dot, [x, y]) => dot(x as Tensor, y as Tensor),
  norm2: (norm2, [x]) => norm2(x as Tensor),
  gemv: (gemv, [a, x]) => gemv(a as Tensor, x as Tensor),
  gemm: (gemm, [a, b]) => gemm(a as Tensor, b as Tensor),
  conv2d: (conv2d, [x, kernel]) => conv2d(x as Tensor, kernel as Tensor),
  softmax: (softmax, [x]) => softmax(x as Tensor),
  layernorm: (layernorm, [x, gain, bias]) => layernorm(x as Tensor, gain as Tensor, bias as Tensor, 0.5),
  elementary: (elementary, [x]) => elementary('sqrt', x as Tensor),
}

interface Case {
  readonly kernel: keyof typeof calls
  readonly operands: (dtype: FloatDType) => Tensor[]
  readonly shape: readonly number[]
  /** The exact elements, where whole numbers have them. */
  readonly expected?: (operands: readonly Tensor[]) => number[]
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i)
const total = (terms: number[]) => terms.reduce((sum, term) => sum + term, 0)

const cases: Case[] = [
  {
    kernel: 'sum',
    operands: (dtype) => [whole(dtype, 37)],
    shape: [],
    expected: ([x]) => [total([...decodeFloats(x as Tensor)])],
  },
  { kernel: 'sum', operands: (dtype) => [whole(dtype, 1)], shape: [], expected: () => [-2] },
  { kernel: 'sum', operands: (dtype) => [whole(dtype, 0)], shape: [], expected: () => [0] },
  {
    kernel: 'dot',
    operands: (dtype) => [whole(dtype, 31), whole(dtype, 31)],
    shape: [],
    expected: ([x, y]) => [total(range(31).map((i) => at(x as Tensor, i) * at(y as Tensor, i)))],
  },
  {
    kernel: 'norm2',
    operands: (dtype) => [createTensor(dtype, [4], encodeFloats(dtype, [2, 4, 5, 6]))],
    shape: [],
    expected: () => [9],
  },
  {
    kernel: 'gemv',
    operands: (dtype) => [whole(dtype, 3, 9), whole(dtype, 9)],
    shape: [3],
    expected: ([a, x]) =>
      range(3).map((i) => total(range(9).map((p) => at(a as Tensor, i * 9 + p) * at(x as Tensor, p)))),
  },
  {
    kernel: 'gemm',
    operands: (dtype) => [whole(dtype, 3, 7), whole(dtype, 7, 5)],
    shape: [3, 5],
    expected: ([a, b]) =>
      range(15).map((cell) =>
        total(range(7).map((p) => at(a as Tensor, Math.floor(cell / 5) * 7 + p) * at(b as Tensor, p * 5 + (cell % 5)))),
      ),
  },
  {
    kernel: 'conv2d',
    operands: (dtype) => [whole(dtype, 2, 4, 5, 3), whole(dtype, 2, 3, 3, 2)],
    shape: [2, 3, 3, 2],
    expected: ([x, kernel]) =>
      range(36).map((cell) => {
        const [b, i, j, d] = [Math.floor(cell / 18), Math.floor(cell / 6) % 3, Math.floor(cell / 2) % 3, cell % 2]
        const terms = range(18).map((tap) => {
          const [p, q, c] = [Math.floor(tap / 9), Math.floor(tap / 3) % 3, tap % 3]
          return at(x as Tensor, ((b * 4 + i + p) * 5 + j + q) * 3 + c) * at(kernel as Tensor, tap * 2 + d)
        })
        return total(terms)
      }),
  },
  {
    kernel: 'softmax',
    operands: (dtype) => [createTensor(dtype, [2, 4], encodeFloats(dtype, [3, 3, 3, 3, -1, -1, -1, -1]))],
    shape: [2, 4],
    expected: () => new Array<number>(8).fill(0.25),
  },
  { kernel: 'layernorm', operands: (dtype) => [whole(dtype, 2, 8), whole(dtype, 8), whole(dtype, 8)], shape: [2, 8] },
  {
    kernel: 'elementary',
    operands: (dtype) => [createTensor(dtype, [5], encodeFloats(dtype, [0, 1, 4, 9, 16]))],
    shape: [5],
    expected: () => [0, 1, 2, 3, 4],
  },
]

/** What every backend must keep to; where it does not run here, what it says of itself. */
export function backendContract(driver: BackendDriver, status: 'ready' | 'unavailable'): void {
  it('says whether it runs here, or why not and how to add it', async () => {
    const detected = await driver.detect()
    const { id, title, kernels, knobs } = driver
    backendDescriptionSchema.parse({ id, title, kernels: [...kernels], knobs: [...knobs], ...detected })
    if (detected.status === 'ready') expect(detected.version).toMatch(/\d/)
    else {
      expect(detected.reason).toBeTruthy()
      expect(detected.add).toBeTruthy()
    }
  })

  it('describes each knob once, with a source of the literature', () => {
    expect(new Set(driver.knobs.map(({ name }) => name)).size).toBe(driver.knobs.length)
    for (const knob of driver.knobs) {
      knobDescriptionSchema.parse(knob)
      expect(sources.map(({ id }) => id)).toContain(knob.source)
    }
  })

  it.each(driver.knobs.map((knob) => [knob.name, knob] as const))(
    'checks the values of %s from end to end',
    (_, knob) => {
      const pattern = new RegExp(knob.pattern)
      const named = knob.values.split(/[\s,;]+/).filter((word) => pattern.test(word))
      expect(named, `no word of "${knob.values}" fits ${knob.pattern}`).not.toEqual([])
      for (const value of named) {
        for (const hostile of [
          `${value}\n`,
          ` ${value}`,
          `${value} --eval`,
          `${value}\0`,
          `x\n${value}`,
          `${value}=;$(id)`,
        ]) {
          expect(pattern.test(hostile), JSON.stringify(hostile)).toBe(false)
        }
      }
      if (knob.apply.by === 'node-arguments') {
        for (const value of Object.keys(knob.apply.arguments)) expect(value).toMatch(pattern)
      }
    },
  )

  if (status === 'ready') openContract(driver)
}

function openContract(driver: BackendDriver): void {
  let backend: Backend
  beforeAll(async () => {
    backend = await driver.open({})
  })
  afterAll(() => backend.close())

  it('has the kernels it names, and reads back what is in force', async () => {
    const has = Object.keys(backend.kernels)
    const named = driver.kernels.filter((name) => name !== 'tfjs')
    expect(has).toEqual(expect.arrayContaining(named))
    if (driver.kernels.includes('tfjs')) expect(backend.tf?.getBackend()).toBeTruthy()
    expect(backend.version).toBe((await driver.detect()).version)
    const { settings, facts, notes } = await backend.effective()
    for (const value of [...Object.values(settings), ...Object.values(facts)]) expect(typeof value).toBe('string')
    expect(notes).toEqual([])
  })

  describe.each(dtypes)('in %s', (dtype) => {
    it.each(cases.map((one, i) => [one.kernel, i, one] as const))(
      '%s (case %i) fits the contract',
      async (kernel, _, one) => {
        if (!backend.kernels[kernel]) return
        const call = calls[kernel] as (kernel: unknown, operands: Tensor[]) => Computed
        const operands = one.operands(dtype)
        const before = operands.map(({ bytes }) => Buffer.from(bytes))
        const result = await call(backend.kernels[kernel], operands)
        operands.forEach(({ bytes }, i) => expect(Buffer.from(bytes).equals(before[i] as Buffer)).toBe(true))
        if (isUnsupported(result)) {
          expect(result.unsupported).not.toBe('')
          return
        }
        expect(result.dtype).toBe(dtype)
        expect([...result.shape]).toEqual([...one.shape])
        if (one.expected)
          expect([...decodeFloats(result)].map((value) => value + 0)).toEqual(
            one.expected(operands).map((value) => value + 0),
          )
        const shifted = await call(backend.kernels[kernel], operands.map(unaligned))
        expect(isUnsupported(shifted)).toBe(false)
        expect(Buffer.from((shifted as Tensor).bytes).equals(result.bytes)).toBe(true)
      },
    )
  })
}
