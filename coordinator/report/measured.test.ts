import { describe, expect, it } from 'vitest'
import type { Divergence, ElementComparison, Growth } from './format.ts'
import { distanceText, growthText, growthTexts, inputsText } from './measured.ts'

type Point = Growth['points'][number]

const statistics = (over: Partial<ElementComparison>): ElementComparison => {
  const equal = { elements: 4, unequal: 0, kinds: {}, patterns: [], signOfZero: 0, nan: 0, maxUlp: '0', relativeL2: 0 }
  return Object.assign(equal, { notMeasured: {}, histogram: [{ bucket: '0', count: 4 }] }, over)
}

describe('what was measured, in words', () => {
  it('tells a distance from the correctly rounded result, and of many elements how many', () => {
    const one = { elements: 1, unequal: 1 }
    expect(distanceText(statistics({ ...one, maxUlp: '3', kinds: { rounding: 1 } }))).toBe('3 ULP')
    expect(distanceText(statistics({ unequal: 1, maxUlp: '12', kinds: { larger: 1 } }))).toBe(
      'at most 12 ULP, relative L2 0, 25\u202f% unequal',
    )
    expect(distanceText(statistics({ ...one, signOfZero: 1, kinds: { 'sign-of-zero': 1 } }))).toBe(
      '0 ULP, sign of zero',
    )
    const nan = { ...one, nan: 1, maxUlp: null, kinds: { 'nan-number': 1 } }
    expect(distanceText(statistics(nan))).toBe('distance not measured, NaN against number')
    expect(distanceText(null)).toBe('its bytes were not kept')
    expect(distanceText(null, 'another shape')).toBe('another shape')
  })

  it('tells growth from the first step that differs to the last, and where it is equal again', () => {
    const point = (step: number, maxUlp: string | null, unequal: number): Point => {
      return {
        step,
        seq: step,
        state: 'measured',
        kinds: {},
        maxUlp,
        unequal,
        relativeL2: maxUlp === null ? null : 1e-7,
      }
    }
    const points = [point(1, '0', 0), point(2, '1', 0.5), point(3, '8', 1), point(4, '0', 0)]
    expect(growthText({ name: 'loss', points }, 3)).toBe('loss 1 ULP at step 2, 8 ULP at step 3, equal at step 4')
    expect(growthText({ name: 'loss', points }, 9)).toBe('loss 1 ULP at step 2, 8 ULP at step 3, equal at step 4')
    // A difference that heals is shown at its largest, however few steps are asked for.
    const peak = [point(1, '1', 1), point(2, '2', 1), point(3, '864', 1), point(4, '3', 1), point(5, '1', 1)]
    expect(growthText({ name: 'w', points: peak }, 2)).toBe('w 1 ULP at step 1, 864 ULP at step 3, 1 ULP at step 5')
    const missing: Point = { ...point(3, null, 0), state: 'not-measured', unequal: null }
    const odd: Point[] = [point(2, '1', 0.5), missing, { ...point(4, '0', 1), state: 'nan' }]
    expect(growthText({ name: 'w', points: [...odd, { ...point(5, '0', 1), state: 'infinite' }] }, 9)).toBe(
      'w 1 ULP at step 2, not measured at step 3, NaN at step 4, infinite at step 5',
    )
    const nan = (step: number): Point => ({ ...point(step, '0', 1), state: 'nan' })
    const staying = [point(2, '5', 0.5), nan(3), nan(4), nan(5)]
    expect(growthText({ name: 'w', points: staying }, 3)).toBe('w 5 ULP at step 2, NaN from step 3')
    expect(growthText({ name: 'w', points: staying.slice(1) }, 3)).toBe('w NaN from step 3')
    expect(growthText({ name: 'w', points: staying, of: 40 }, 3)).toBe('w 5 ULP at step 2, NaN from step 3 or earlier')
    // A NaN that went again did not stay.
    expect(growthText({ name: 'w', points: [nan(2), point(3, '1', 0.5), nan(4), nan(5)] }, 4)).toBe(
      'w NaN at step 2, 1 ULP at step 3, NaN from step 4',
    )
    const labels = [point(1, null, 0.25), point(2, null, 1)]
    expect(growthText({ name: 'labels', points: labels }, 2)).toBe('labels 25\u202f% at step 1, 100\u202f% at step 2')
  })

  it('shows the tensor with the largest distance of all, and the one that differs first', () => {
    const grown = (name: string, ...ulps: string[]): Growth => ({
      name,
      points: ulps.map((maxUlp, step) => {
        const rest = { state: 'measured', kinds: {}, relativeL2: 1e-7, unequal: 1 } as const
        return { step, seq: step, maxUlp, ...rest }
      }),
    })
    const growth = [
      grown('loss', '1', '2'),
      grown('update/a', '3', '1'),
      grown('update/b', '5', '4'),
      grown('update/c', '1', '1540096'),
    ]
    const divergence = { growth, checkpoint: { name: 'update/b' } } as unknown as Divergence
    expect(growthTexts(divergence, 3, 2)).toEqual([
      'loss 1 ULP at step 0, 2 ULP at step 1',
      'update/b 5 ULP at step 0, 4 ULP at step 1',
      expect.stringMatching(/^update\/c 1 ULP at step 0, .* ULP at step 1$/),
      'and 1 more tensor',
    ])
    expect(growthTexts(divergence, 1, 2)).toEqual(['loss 1 ULP at step 0, 2 ULP at step 1', 'and 3 more tensors'])
  })

  it('names so many inputs as can be read', () => {
    expect(inputsText(['input', 'input-b'])).toBe('All classes start from the same inputs: input and input-b.')
    const many = Array.from({ length: 15 }, (_, i) => `x${i}`)
    expect(inputsText(many)).toMatch(/: x0, .+, x11 and 3 more\.$/)
  })
})
