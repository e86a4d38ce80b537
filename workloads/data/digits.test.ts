import { describe, expect, it } from 'vitest'
import { parseDigits, readDigits } from './digits.ts'

describe('the digits', () => {
  const { pixels, classes } = readDigits()

  it('are 1,797 images of about 180 a class', () => {
    const counts = new Array<number>(10).fill(0)
    for (const digit of classes) counts[digit] = (counts[digit] as number) + 1
    expect(counts).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    expect(pixels.length).toBe(1797 * 64)
    expect(Math.max(...pixels)).toBe(16)
  })

  it('begin with the zero everybody knows', () => {
    expect([...pixels.subarray(0, 16)]).toEqual([0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0])
    expect(classes[0]).toBe(0)
  })

  it('are refused with a line too few, a number too many or a pixel too bright', () => {
    const line = (last: number) => `${new Array(64).fill(last).join(',')},3\n`
    expect(() => parseDigits(line(16).repeat(1796))).toThrow('1796 lines')
    expect(() => parseDigits(line(16).repeat(1796) + line(17))).toThrow('line 1797')
    expect(() => parseDigits(line(16).repeat(1796) + line(16).replace('3', '3,3'))).toThrow('line 1797')
    expect(parseDigits(line(16).repeat(1797)).classes[1796]).toBe(3)
  })
})
