import { describe, expect, it } from 'vitest'
import { checkPassword, hashPassword } from './password.ts'

const cheap = { logN: 10, r: 8, p: 1 }

describe('a password', () => {
  it('is kept as scrypt with its parameters, and another salt each time', async () => {
    const [one, other] = await Promise.all([
      hashPassword('correct horse battery'),
      hashPassword('correct horse battery'),
    ])
    expect(one).toMatch(/^scrypt\$15\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    expect(one).not.toBe(other)
    expect(await checkPassword('correct horse battery', one)).toBe(true)
    expect(await checkPassword('correct horse batterz', one)).toBe(false)
  })

  it('is checked by the parameters that it was kept with', async () => {
    const kept = await hashPassword('correct horse battery', cheap)
    expect(await checkPassword('correct horse battery', kept)).toBe(true)
    expect(await checkPassword('correct horse battery', kept.replace('$8$1$', '$8$2$'))).toBe(false)
  })

  it('is the same in another composition of the same letters', async () => {
    const kept = await hashPassword('caf\u00e9 caf\u00e9 caf\u00e9', cheap)
    expect(await checkPassword('cafe\u0301 cafe\u0301 cafe\u0301', kept)).toBe(true)
  })

  it('that is too short or too long is none', async () => {
    for (const wrong of ['', 'eleven char', '🔑'.repeat(11), 'x'.repeat(1025)]) {
      await expect(hashPassword(wrong)).rejects.toMatchObject({ code: 'usage' })
    }
    const kept = await hashPassword('x'.repeat(1024), cheap)
    expect(await checkPassword('x'.repeat(1025), kept)).toBe(false)
    expect(await checkPassword('', kept)).toBe(false)
  })

  it('of nobody is never right', async () => {
    for (const guess of ['', 'correct horse battery', 'x'.repeat(2000)]) {
      expect(await checkPassword(guess, undefined)).toBe(false)
    }
  })

  it('is not checked for everybody at once', async () => {
    const kept = await hashPassword('correct horse battery', cheap)
    const checks = await Promise.allSettled(Array.from({ length: 100 }, () => checkPassword('a wrong password', kept)))
    const refused = checks.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(100 - 2 - 64)
    expect(refused[0]).toMatchObject({ reason: { code: 'unavailable' } })
    expect(await checkPassword('correct horse battery', kept)).toBe(true)
  })
})
