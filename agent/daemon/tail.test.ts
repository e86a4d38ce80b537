import { describe, expect, it } from 'vitest'
import { createTail } from './tail.ts'

const tailOf = (...chunks: string[]) => {
  const tail = createTail(64)
  for (const chunk of chunks) tail.push(Buffer.from(chunk))
  return tail
}

describe('a tail', () => {
  it('holds the end, in whole lines', () => {
    expect(tailOf('a\nb\n', 'c', 'd\n').lines(2)).toBe('b\ncd')
    expect(tailOf('').lines(5)).toBe('')
    expect(tailOf('x'.repeat(1000), '\nend').lines(1)).toBe('end')
    expect(tailOf('x'.repeat(1000)).lines(1)).toHaveLength(64)
  })

  it('prints nothing that steers a terminal or turns text around', () => {
    expect(tailOf('\u001b[2J\u001b[31mred\u001b[0m \u202egnp.exe\u0007\u0000\ttab').lines(1)).toBe('red gnp.exe\ttab')
    expect(tailOf('10 %\r20 %\r\ndone').lines(9)).toBe('10 %\n20 %\ndone')
    expect(tailOf('\u009b31mred').lines(1)).toBe('31mred')
  })
})
