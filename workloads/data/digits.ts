import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { digestOf } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'

const digest = 'sha256:09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22'

export const digitCount = 1797
export const digitSide = 8
export const digitPixels = digitSide * digitSide
export const digitClasses = 10

/** How many of the images are trained on and how many are tested on; which ones, stream `split` says. */
export const trainCount = 1437
export const testCount = digitCount - trainCount

export interface Digits {
  /** [1797, 64], whole numbers from 0 to 16. */
  readonly pixels: Uint8Array
  /** [1797], from 0 to 9. */
  readonly classes: Uint8Array
}

/**
 * The UCI digits in the order of their file.
 *
 * @throws `digest-mismatch` if the file is not the one that every machine has
 * @see README.md for source and licence
 */
export function readDigits(): Digits {
  const packed = readFileSync(new URL('./digits.csv.gz', import.meta.url))
  if (digestOf(packed) !== digest) {
    throw new BitfleetError('digest-mismatch', `digits.csv.gz is ${digestOf(packed)} and not ${digest}; install again`)
  }
  return parseDigits(gunzipSync(packed).toString('latin1'))
}

/** @throws `format` unless it is 1,797 lines of 64 pixels and a class */
export function parseDigits(text: string): Digits {
  const lines = text.trimEnd().split('\n')
  const pixels = new Uint8Array(digitCount * digitPixels)
  const classes = new Uint8Array(digitCount)
  if (lines.length !== digitCount) throw new BitfleetError('format', `digits: ${lines.length} lines, not ${digitCount}`)
  lines.forEach((line, i) => {
    const numbers = line.split(',').map(Number)
    const whole = numbers.every(
      (value, j) => Number.isInteger(value) && value >= 0 && value <= (j < digitPixels ? 16 : 9),
    )
    if (numbers.length !== digitPixels + 1 || !whole) {
      throw new BitfleetError('format', `digits: line ${i + 1} is not 64 pixels and a class`)
    }
    pixels.set(numbers.slice(0, digitPixels), i * digitPixels)
    classes[i] = numbers[digitPixels] as number
  })
  return { pixels, classes }
}
