import { describe, expect, it } from 'vitest'
import { formatBackends } from './backends.ts'
import { formatChecks, judgeBackend } from './doctor.ts'

const here = { id: 'js', title: 'Reference', status: 'ready' as const, version: '20.20.2', kernels: ['sum'], knobs: [] }
const gone = {
  id: 'openblas',
  title: 'OpenBLAS',
  status: 'unavailable' as const,
  reason: 'no OpenBLAS that the dynamic loader finds\u001b[2J',
  add: 'apt-get install libopenblas0-pthread',
  kernels: ['dot'],
  knobs: [],
}

describe('formatChecks', () => {
  it('says what to do below what it is about, counts, and lets no text move the cursor', () => {
    const text = formatChecks([judgeBackend(here), judgeBackend(gone)])
    expect(text).toBe(
      [
        'ok    backend js        20.20.2',
        'warn  backend openblas  no OpenBLAS that the dynamic loader finds␛[2J',
        '                        → apt-get install libopenblas0-pthread',
        '',
        '1 ok, 1 warn, 0 fail',
        '',
      ].join('\n'),
    )
  })
})

describe('formatBackends', () => {
  it('says why one does not run here, and the command that adds it', () => {
    expect(formatBackends([here, gone])).toBe(
      [
        'js        20.20.2  Reference',
        'openblas  not here: no OpenBLAS that the dynamic loader finds␛[2J',
        '          → apt-get install libopenblas0-pthread',
        '',
      ].join('\n'),
    )
  })

  it('says what can be added, and how', () => {
    const available = { id: 'js@24', title: 'The reference', version: '24.21.0', kernels: [], knobs: [] }
    expect(formatBackends([{ ...available, status: 'available', add: 'bitfleet backends add js@24' }])).toBe(
      'js@24  can be added: The reference, 24.21.0\n       → bitfleet backends add js@24\n',
    )
  })
})
