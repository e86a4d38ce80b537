/**
 * exp and log from +, −, × and ÷ in binary64 alone, so that every machine has the same bits: the library functions of
 * JavaScript engines, C libraries and processors differ in the last place.
 *
 * Range reduction splits ln 2 into a part of 33 bits, whose product with a small whole number is exact, and the rest.
 *
 * @see Muller: Elementary Functions, 3rd ed., §11.2 (Cody and Waite's reduction); the split is that of fdlibm, Sun 1993
 */
const ln2High = 0.6931471803691238
const ln2Low = 1.9082149292705877e-10
const log2e = 1.4426950408889634

/**
 * eˣ: x = k·ln 2 + r with |r| ≤ 0.35; eʳ is Taylor's polynomial of degree 13, 1 + r(1 + r/2(1 + r/3(…))), whose
 * remainder is below 2⁻⁵⁷; then k doublings or halvings, which are exact but for those that end below 2⁻¹⁰²². Within one
 * ulp of the correctly rounded value down to there.
 */
export function plainExp(x: number): number {
  if (Number.isNaN(x)) return x
  if (x < -746) return 0
  if (x > 710) return Infinity
  const k = Math.floor(x * log2e + 0.5)
  const r = x - k * ln2High - k * ln2Low
  let power = 1
  for (let n = 13; n >= 1; n--) power = 1 + (r * power) / n
  for (let i = 0; i < k; i++) power *= 2
  for (let i = 0; i > k; i--) power *= 0.5
  return power
}

/**
 * ln x of a positive finite x: x = m·2ᵏ with m in [3/4, 3/2), exactly; with s = (m − 1)/(m + 1), |s| ≤ 1/5,
 * ln m = 2s(1 + s²/3 + s⁴/5 + …) up to s²⁴/25, whose remainder is below 2⁻⁶⁰. Within three ulp of the correctly
 * rounded value.
 */
export function plainLog(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN
  if (x === Infinity) return x
  let m = x
  let k = 0
  for (; m >= 1.5; k++) m *= 0.5
  for (; m < 0.75; k--) m *= 2
  const s = (m - 1) / (m + 1)
  const square = s * s
  let series = 0
  for (let n = 25; n >= 1; n -= 2) series = 1 / n + square * series
  return k * ln2High + (2 * s * series + k * ln2Low)
}
