import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readPassword } from './read-password.ts'

function terminal(typed: string) {
  const shown: string[] = []
  const output = new PassThrough()
  output.on('data', (chunk: Buffer) => shown.push(chunk.toString()))
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  input.write(typed)
  return { password: readPassword('Password for alice', input, output), shown }
}

describe('a password', () => {
  it('is the first line of what is not a terminal', async () => {
    for (const text of ['correct horse\n', 'correct horse\r\nmore\n', 'correct horse']) {
      const input = new PassThrough()
      input.end(text)
      expect(await readPassword('', input)).toBe('correct horse')
    }
    const nothing = new PassThrough()
    nothing.end('\n')
    await expect(readPassword('', nothing)).rejects.toMatchObject({ code: 'usage' })
  })

  it('is asked twice on a terminal, and not shown', async () => {
    const { password, shown } = terminal('correct horse\rcorrect horse\r')
    expect(await password).toBe('correct horse')
    expect(shown.join('')).toBe('Password for alice: \nAgain: \n')
  })

  it('that differs, or is not given, is none', async () => {
    await expect(terminal('correct horse\rcorrect house\r').password).rejects.toThrow(/differ/)
    await expect(terminal('corr\u0003').password).rejects.toThrow(/no password/)
    await expect(terminal('\u0004').password).rejects.toThrow(/no password/)
  })
})
