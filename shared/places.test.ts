import { describe, expect, it } from 'vitest'
import { createPlaceCheck, maxPlaces } from './places.ts'

const faults = (...places: [number, string][]) => {
  const faultOf = createPlaceCheck()
  return places.map(([step, name]) => faultOf({ step, name }))
}

describe('checkpoints without a schema', () => {
  it('may have any names, each once a step', () => {
    expect(faults([0, 'weights/ü'], [1, 'loss'], [1, 'forward/fc1#2'], [2, 'loss'], [7, 'loss'])).toEqual(
      Array.from({ length: 5 }),
    )
  })

  it.each<[string, [number, string][], RegExp]>([
    [
      'twice at one step',
      [
        [1, 'a'],
        [1, 'b'],
        [1, 'a'],
      ],
      /"a" is there twice at step 1/,
    ],
    [
      'back in time',
      [
        [2, 'a'],
        [1, 'b'],
      ],
      /"b" is of step 1, and step 2 was before it/,
    ],
    [
      'later, twice at one step',
      [
        [1, 'a'],
        [2, 'a'],
        [2, 'a'],
      ],
      /"a" is there twice at step 2/,
    ],
    ['nameless', [[0, '']], /is empty/],
    ['between spaces', [[0, ' a']], /spaces at its ends/],
    ['long', [[0, 'x'.repeat(257)]], /has 257 characters/],
    ['steering a terminal', [[0, 'a\u001b[31m']], /a screen obeys/],
    ['on two lines', [[0, 'a\nb']], /a screen obeys/],
    ['turned around', [[0, 'a\u202eb']], /a screen obeys/],
    ['half a character', [[0, 'a\ud800']], /a screen obeys/],
  ])('are not %s', (_, places, message) => expect(faults(...places).at(-1)).toMatch(message))

  it('may have names of 256 characters', () => {
    expect(faults([0, 'x'.repeat(256)])).toEqual([undefined])
  })

  it('are not without number', () => {
    const faultOf = createPlaceCheck()
    for (let step = 0; step < maxPlaces; step++) expect(faultOf({ step, name: 'a' })).toBeUndefined()
    expect(faultOf({ step: maxPlaces, name: 'a' })).toMatch(/more than 65536/)
  })
})
