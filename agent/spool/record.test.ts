import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../shared/digest.ts'
import { parseRecordFileName, recordFileName } from './file-name.ts'
import { decodeRecord, encodeRecord, maxRecordBytes } from './record.ts'
import { sampleJob, sampleResult } from '../../test/spool-samples.ts'

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string())

describe('a record', () => {
  it('gives back the very result', () => {
    fc.assert(
      fc.property(
        anyText,
        fc.integer({ min: 1 }),
        fc.option(anyText, { nil: undefined }),
        anyText,
        (id, attempt, trace, log) => {
          const job = sampleJob(id, attempt, { nonce: 'ab'.repeat(16), later: { release: [1] } })
          const { trace: _, ...rest } = sampleResult('', log)
          const result = {
            ...rest,
            ...(trace === undefined ? {} : { trace }),
            signed: { statement: {}, signature: 's' },
          }
          const record = { job, result: result as never, sequence: 7 }
          expect(decodeRecord(encodeRecord(record))).toEqual(record)
        },
      ),
    )
  })

  it('says what sha256sum says of what follows its first line', () => {
    const bytes = Buffer.from(encodeRecord({ job: sampleJob('j'), result: sampleResult('a trace\n'), sequence: 0 }))
    const payload = bytes.subarray(bytes.indexOf('\n') + 1)
    expect(bytes.toString().split('\n')[0]).toBe(`bitfleet-spool@1 ${payload.length} sha256:${sha256Hex(payload)}`)
    expect(payload.toString().endsWith('}\na trace\n')).toBe(true)
  })

  it('notices every flipped bit and every truncation', () => {
    const bytes = encodeRecord({ job: sampleJob('run/cell/0'), result: sampleResult('x\ny\n'), sequence: 3 })
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Uint8Array.from(bytes)
        damaged[at] = (damaged[at] as number) ^ (1 << bit)
        expect(() => decodeRecord(damaged), `bit ${bit} of byte ${at}`).toThrow(/^its /)
      }
      expect(() => decodeRecord(bytes.subarray(0, at)), `${at} bytes`).toThrow(/^its /)
    }
    expect(() => decodeRecord(Buffer.concat([bytes, Buffer.from('\n')]))).toThrow(/speaks of \d+ bytes, \d+ are there/)
  })

  it('refuses what no frame could carry', () => {
    const result = sampleResult('x'.repeat(maxRecordBytes))
    expect(() => encodeRecord({ job: sampleJob('j'), result, sequence: 0 })).toThrow(/ask for fewer checkpoints/)
  })
})

describe('the name of a record', () => {
  it('is one plain file name for each attempt, whatever the id', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 2 ** 40 }), (job, attempt) => {
        const name = recordFileName({ job, attempt })
        expect(name).toMatch(/^[a-z0-9%_-]*@[1-9]\d*\.result$/)
        expect(name.length).toBeLessThan(230)
        const parsed = parseRecordFileName(name)
        expect(parsed?.attempt).toBe(attempt)
        if (parsed?.job !== undefined) expect(parsed.job).toBe(job)
      }),
    )
    expect(recordFileName({ job: 'run/cell/0', attempt: 2 })).toBe('run%2fcell%2f0@2.result')
    expect(recordFileName({ job: '../../etc/passwd', attempt: 1 })).toBe('%2e%2e%2f%2e%2e%2fetc%2fpasswd@1.result')
  })

  it('differs where ids differ, also in case, length and lone surrogates', () => {
    const ids = [
      'a',
      'A',
      '',
      '%',
      '%%',
      'x'.repeat(200),
      'x'.repeat(201),
      '\ud800',
      '\ud801',
      '\ufffd',
      '\ufeff',
      '\0',
    ]
    expect(new Set(ids.map((job) => recordFileName({ job, attempt: 1 }).toLowerCase())).size).toBe(ids.length)
    expect(parseRecordFileName(recordFileName({ job: '\ud800', attempt: 1 }))).toEqual({ attempt: 1 })
    expect(parseRecordFileName(recordFileName({ job: '\ufeff', attempt: 1 }))?.job).toBe('\ufeff')
  })

  it('is read from no other name', () => {
    for (const name of [
      '',
      '@1',
      'a@0.result',
      'a@01.result',
      'a@1.result ',
      'A@1.result',
      '%61@1.result',
      '%ff@1.result',
      'a/b@1.result',
      'a@99999999999999999.result',
      '../a@1.result',
    ])
      expect(parseRecordFileName(name), name).toBeUndefined()
  })
})
