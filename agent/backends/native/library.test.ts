import { describe, expect, it } from 'vitest'
import { isLibrary, openLibrary, readInteger, readString } from './library.ts'
import { needs } from '../../../test/needs.ts'

describe('openLibrary', () => {
  it('says why none of the candidates is there', () => {
    const found = openLibrary(['libbitfleet-absent.so.0', 'libbitfleet-absent.so'])
    expect(isLibrary(found)).toBe(false)
    expect(!isLibrary(found) && found.absent).toContain('libbitfleet-absent.so.0')
    expect(openLibrary([])).toHaveProperty('absent')
    const broken = openLibrary(['libbitfleet-absent.so.0', import.meta.filename])
    expect(!isLibrary(broken) && broken.absent).toContain(import.meta.filename)
  })

  it.skipIf(needs('symbols of the C library', process.platform === 'linux', 'this system names it otherwise'))(
    'goes on to the next, and knows what symbols there are',
    () => {
      const found = openLibrary(['libbitfleet-absent.so.0', null])
      if (!isLibrary(found)) throw new Error(found.absent)
      expect([found.has('getpid'), found.has('bitfleet_absent')]).toEqual([true, false])
      expect(readInteger(found, 'getpid')).toBe(process.pid)
      expect(readInteger(found, 'bitfleet_absent')).toBeUndefined()
      expect(readString(found, 'bitfleet_absent')).toBeUndefined()
      expect(() => found.bind('bitfleet_absent', 'int', [])).toThrow('bitfleet_absent')
    },
  )
})
