import { sign, verify } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../shared/digest.ts'
import { openIdentity } from './identity.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-identity-'))
afterAll(() => rmSync(root, { recursive: true }))

describe('an agent’s identity', () => {
  it('is made once, kept for its owner alone, and named after its key', () => {
    const dir = join(root, 'one')
    const identity = openIdentity(dir)
    expect(readdirSync(dir)).toEqual(['key.pem'])
    expect(statSync(join(dir, 'key.pem')).mode & 0o777).toBe(0o600)
    expect(identity.publicKey).toMatch(/^[0-9a-f]{64}$/)
    expect(identity.id).toBe(`a-${sha256Hex(Buffer.from(identity.publicKey, 'hex')).slice(0, 16)}`)
    expect(openIdentity(dir).id).toBe(identity.id)
    expect(openIdentity(join(root, 'two')).id).not.toBe(identity.id)
    const message = Buffer.from('a result')
    expect(verify(null, message, identity.privateKey, sign(null, message, openIdentity(dir).privateKey))).toBe(true)
  })

  it('narrows the rights of a key that was copied', () => {
    const dir = join(root, 'copied')
    openIdentity(dir)
    chmodSync(join(dir, 'key.pem'), 0o644)
    openIdentity(dir)
    expect(statSync(join(dir, 'key.pem')).mode & 0o777).toBe(0o600)
  })

  it('refuses a file that holds no such key, and does not overwrite it', () => {
    const dir = join(root, 'broken')
    openIdentity(dir)
    writeFileSync(join(dir, 'key.pem'), 'nonsense')
    expect(() => openIdentity(dir)).toThrow(expect.objectContaining({ code: 'format' }))
    expect(readdirSync(dir)).toEqual(['key.pem'])
  })
})
