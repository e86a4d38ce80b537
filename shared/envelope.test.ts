import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTokenText, parseToken } from './enrolment.ts'
import { domains, isSignedBy, signedBytes, signPayload } from './envelope.ts'
import { agentIdOf, fingerprintOf, keyPairFromSeed } from './keys.ts'

// The first key of RFC 8032, section 7.1.
const key = keyPairFromSeed(Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'))
const payload = { b: [1, true, null], a: 'é' }

describe('an envelope', () => {
  it('has the golden values of the page on formats', () => {
    expect(key.publicKey).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
    expect(fingerprintOf(key.publicKey)).toBe('21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9')
    expect(agentIdOf(key.publicKey)).toBe('a-21fe31dfa154a261')
    expect(Buffer.from(signedBytes('bitfleet/job@1', payload)).toString('latin1')).toBe(
      'bitfleet/job@1\0{"a":"\u00c3\u00a9","b":[1,true,null]}',
    )
    const page = readFileSync(new URL('../docs/formats.md', import.meta.url), 'utf8')
    const signatures = domains.map((domain) => signPayload(domain, payload, key))
    for (const value of [key.publicKey, fingerprintOf(key.publicKey), ...signatures]) expect(page).toContain(value)
    // Computed by another program: see test/golden/envelope.py.
    expect(signatures).toEqual([
      '525f308ce5d31679137bd9e517edcd548d7629cd64c72fc41d58a1cad4f2bd8e6119c7738dffd078b494836b9e3aea9b32e808b7c54367fac1e8c161d0cb6708',
      'cfcc36bddc2d0caed44e2b66e9de1b2a757ace51ceb33f0f8f515f84f599fbc8891b000f19e2a38da97e61aca73766fa73eb524cb47d3687b24ac3bb215b9e0b',
      'd0ce5c89052ae4503e9e239dd5705f5e09e0d01186e7e352944fce47e12cec3620a06a84d90c87ddafad00b91819f8abf7c45beb011fac0b3d49e7da6b38f407',
      '3f500f95a3bf0d19053498a3307ac00347d8a04bad3d74aeb07e363954c4a615f0d61e43254864ba7acfe6d0af2ca856c8929b23b8f24d1ec671a63189772c0e',
      '713f0da6403d17d080d397c23396a921ca07b49c984c6a3092b3c41329c34b5128fcfbcac19625f049dcfc952557376a62a8ba903c26d12bf6de72e6b24a8603',
      'a3318d72121e4aebd6667b1113115bcfd5bdfc14f91cae7adc750b8e8b6ac1f9133f11dc746dc0dccb3cdc3d7539e38cd3649dc81abb76508da1063caf1b0407',
    ])
  })

  it('holds for its key, its domain and its payload, and for no other', () => {
    const other = keyPairFromSeed(new Uint8Array(32))
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...domains), fc.constantFrom(...domains), (value, domain, wrong) => {
        const signature = signPayload(domain, value, key)
        expect(isSignedBy(key.publicKey, domain, JSON.parse(JSON.stringify(value)), signature)).toBe(true)
        expect(isSignedBy(other.publicKey, domain, value, signature)).toBe(false)
        expect(isSignedBy(key.publicKey, wrong, value, signature)).toBe(wrong === domain)
        expect(isSignedBy(key.publicKey, domain, [value], signature)).toBe(false)
      }),
    )
  })

  it('that is malformed is not signed, and nothing is thrown', () => {
    const signature = signPayload('bitfleet/job@1', payload, key)
    const flipped = `${signature[0] === '0' ? '1' : '0'}${signature.slice(1)}`
    for (const wrong of ['', 'x', signature.toUpperCase(), `${signature}00`, flipped]) {
      expect(isSignedBy(key.publicKey, 'bitfleet/job@1', payload, wrong)).toBe(false)
    }
    expect(isSignedBy('no key', 'bitfleet/job@1', payload, signature)).toBe(false)
    expect(isSignedBy(key.publicKey, 'bitfleet/job@1', { a: '\ud800' }, signature)).toBe(false)
    expect(isSignedBy(key.publicKey, 'bitfleet/job@1', undefined, signature)).toBe(false)
  })
})

describe('a token', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const text = createTokenText(fingerprintOf(key.publicKey), seed)
        const token = parseToken(` ${text}\n`)
        expect(token.key.publicKey).toBe(keyPairFromSeed(seed).publicKey)
        expect(token.coordinator).toBe(fingerprintOf(key.publicKey))
      }),
    )
  })

  it.each(['', 'bft1_', 'secret', `bft1_${'A'.repeat(43)}_${'g'.repeat(64)}`])('is not %j', (text) => {
    expect(() => parseToken(text)).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})
