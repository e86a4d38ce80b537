import { describe, expect, it } from 'vitest'
import { maxPlanCharacters } from './source.ts'
import { planName, readPlanText } from './read-plan-text.ts'

async function* chunks(...all: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const one of all) yield Buffer.from(one)
}

describe('a plan on standard input', () => {
  it('is read for `-` to its end, whatever the chunks are', async () => {
    const text = 'name: größe\n'
    const bytes = Buffer.from(text)
    expect(await readPlanText('-', chunks(bytes.subarray(0, 9), bytes.subarray(9)))).toBe(text)
    expect([planName('-'), planName('a.yaml')]).toEqual(['standard input', 'a.yaml'])
  })

  it('is refused if it never ends, or is not UTF-8', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(1 << 20)
    }
    await expect(readPlanText('-', endless())).rejects.toThrow(`has over ${4 * maxPlanCharacters} bytes`)
    await expect(readPlanText('-', chunks(Buffer.from([0xff])))).rejects.toThrow('standard input is not UTF-8')
  })
})
