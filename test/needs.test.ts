import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { needs } from './needs.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-needs-'))
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

describe('needs', () => {
  it('skips nothing that is there, says what is not and notes it', () => {
    vi.stubEnv('CI', '')
    vi.stubEnv('BITFLEET_SKIPS', join(folder, 'skips.jsonl'))
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    expect(needs('BLIS', true, 'never said', 'apt-get install libblis4-pthread')).toBe(false)
    expect(said).not.toHaveBeenCalled()
    expect(needs('BLIS', false, 'not found', 'apt-get install libblis4-pthread')).toBe(true)
    expect(said).toHaveBeenCalledWith('skipped: BLIS: not found; apt-get install libblis4-pthread adds it\n')
    expect(JSON.parse(readFileSync(join(folder, 'skips.jsonl'), 'utf8'))).toEqual({
      name: 'BLIS',
      reason: 'not found',
      install: 'apt-get install libblis4-pthread',
    })
  })

  it('fails in continuous integration where it could have been installed, and only there', () => {
    vi.stubEnv('CI', 'true')
    vi.stubEnv('BITFLEET_SKIPS', '')
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    expect(() => needs('BLIS', false, 'not found', 'apt-get install libblis4-pthread')).toThrow(/cannot run: not found/)
    expect(needs('a card', false, 'none here')).toBe(true)
  })
})
