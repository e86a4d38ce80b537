// One block of a tally (tally.ts says what is counted), compiled to WebAssembly by build.mjs beside this file.
//
// Memory is shared with other threads, each of which works in a slot of its own, at the address it is given: the host
// copies a block of a and one of b into a slot, and reads counts out, which are written anew for every block. A block
// is first counted as if all its elements were finite, which spares three masks an element. Where one is not, a sum of
// squares is not finite either, and the block is counted again with care.
//
// Most differences are finite and neither zero nor at the limit of the type. So the first count only notes whether a
// block has another one, and a second count over such blocks tells the kinds apart (kinds.ts defines them).

// Offsets in a slot; slots.ts has them too.
const A: usize = 0
const B: usize = 16384 * 8
const LANES: usize = B * 2 // f64[8] of squares, f64[8] of squared differences
const UNEQUAL: usize = LANES + 128 // i32[4]
const LARGEST: usize = UNEQUAL + 16 // the largest distance: u32[4] or u64[1]
const SUM: usize = LARGEST + 16 // Σ of patterns of a − patterns of b: i32[4] or i64[2]
const SPECIAL: usize = SUM + 16 // u64: not 0 if the block has a difference that the second count must see
const KINDS: usize = SPECIAL + 16 // i32[4] for each of the kinds below
// u32[rows][8] by the highest bit of distance − 1; each lane counts for itself, so that no store waits for another's.
// Of binary64: row 64 − (number of that bit + 1), for distances of at least 1. Of the narrow formats: row 127 + number of
// that bit, row 0 for a distance of 1; distances of 0 are in row 158 among those above 2³¹.
const ROWS: usize = KINDS + 10 * 16
const END: usize = ROWS + 159 * 8 * 4

const NAN_SIGN: usize = KINDS
const NAN_PAYLOAD: usize = KINDS + 16
const NAN_NUMBER: usize = KINDS + 32
const INFINITY_SIGN: usize = KINDS + 48
const INFINITY_FINITE: usize = KINDS + 64
const SUBNORMAL_ZERO: usize = KINDS + 80
const ZERO: usize = KINDS + 96
const SATURATION: usize = KINDS + 112
const SIGN_OF_ZERO: usize = KINDS + 128
/** Of the five kinds before that: pairs as close as those of kind rounding. */
const NEAR: usize = KINDS + 144
/** ULPs up to which a difference is of kind rounding; tally.ts has it too. */
const ROUNDING: i32 = 8

// @ts-ignore: decorator
@inline
function countOfF64(slot: usize, d: u64, lane: usize): void {
  const at = slot + (<usize>clz<u64>(d - 1) << 5) + (lane << 2)
  store<u32>(at, load<u32>(at, ROWS) + 1, ROWS)
}

// @ts-ignore: decorator
@inline
function addAt(at: usize): void {
  store<u32>(at, load<u32>(at, ROWS) + 1, ROWS)
}

/** Four distances of a narrow format: the exponents of the highest bits of distance − 1, found as binary32 has them. */
// @ts-ignore: decorator
@inline
function countFour(slot: usize, d: v128, lane: usize): void {
  const less = i32x4.sub(d, i32x4.splat(1))
  // Without the bit below the highest, no conversion rounds up to the next power of two. The conversion takes its
  // operand as signed, which leaves the exponent of 2³¹ as it is.
  const high = i32x4.min_u(v128.andnot(less, i32x4.shr_u(less, 1)), i32x4.splat(0x80000000))
  const float = f32x4.convert_i32x4_s(high)
  const rows = v128.and(i32x4.shr_u(float, 18), i32x4.splat(0xff << 5))
  const first = i64x2.extract_lane(rows, 0)
  const second = i64x2.extract_lane(rows, 1)
  const at = slot + (lane << 2)
  addAt(at + <usize>(<u32>first))
  addAt(at + 4 + <usize>(first >>> 32))
  addAt(at + 8 + <usize>(<u32>second))
  addAt(at + 12 + <usize>(second >>> 32))
}

// @ts-ignore: decorator
@inline
function magnitude(x: v128): v128 {
  return v128.and(x, i32x4.splat(0x7fffffff))
}

/** Place in the order of values, ±0 at 0, of a pattern in the upper bits of 32. */
// @ts-ignore: decorator
@inline
function order(x: v128, magnitude: v128): v128 {
  const sign = i32x4.shr_s(x, 31)
  return i32x4.sub(v128.xor(magnitude, sign), sign)
}

// @ts-ignore: decorator
@inline
function distance(a: v128, b: v128, magnitudeA: v128, magnitudeB: v128, shift: i32): v128 {
  const orderA = order(a, magnitudeA)
  const orderB = order(b, magnitudeB)
  const d = i32x4.sub(i32x4.max_s(orderA, orderB), i32x4.min_s(orderA, orderB))
  return shift == 0 ? d : i32x4.shr_u(d, shift)
}

/** Patterns in the upper bits of 32, as binary32 values: those of binary16 are rebiased, which is exact. */
// @ts-ignore: decorator
@inline
function toBinary32(x: v128, format: i32): v128 {
  if (format != 16) return x
  const scaled = f32x4.mul(i32x4.shr_u(magnitude(x), 3), f32x4.splat(reinterpret<f32>(0x77800000)))
  return v128.or(scaled, v128.and(x, i32x4.splat(0x80000000)))
}

// @ts-ignore: decorator
@inline
function lowPair(x: v128): v128 {
  return f64x2.promote_low_f32x4(x)
}

// @ts-ignore: decorator
@inline
function highPair(x: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 1))
}

// @ts-ignore: decorator
@inline
function plusSquare(sum: v128, x: v128): v128 {
  return f64x2.add(sum, f64x2.mul(x, x))
}

// @ts-ignore: decorator
@inline
function loadFour(at: usize, format: i32, second: bool): v128 {
  if (format == 32) return second ? v128.load(at, 16) : v128.load(at)
  return i32x4.shl(second ? v128.load16x4_u(at, 8) : v128.load16x4_u(at), 16)
}

// @ts-ignore: decorator
@inline
function infinityOf(format: i32): i32 {
  return format == 16 ? 0x7c000000 : 0x7f800000
}

// @ts-ignore: decorator
@inline
function largestFiniteOf(format: i32): i32 {
  return infinityOf(format) - (format == 32 ? 1 : 0x10000)
}

/** Formats of at most 32 bits: 32 is binary32, 16 binary16, 17 bfloat16. */
// @ts-ignore: decorator
@inline
function narrow(slot: usize, n: i32, format: i32, careful: bool): void {
  memory.fill(slot + LANES, 0, END - LANES)
  const infinity = i32x4.splat(infinityOf(format))
  const shift = format == 32 ? 0 : 16
  const step: usize = format == 32 ? 32 : 16
  const end = slot + A + (<usize>n >> 3) * step
  const one = i32x4.splat(1)
  let special = i32x4.splat(0), sum = i32x4.splat(0)
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0)
  let d0 = f64x2.splat(0), d1 = f64x2.splat(0), d2 = f64x2.splat(0), d3 = f64x2.splat(0)
  let largest = i32x4.splat(0), unequal = i32x4.splat(0)
  for (let a = slot + A, b = slot + B; a < end; a += step, b += step) {
    const x0 = loadFour(a, format, false)
    const x1 = loadFour(a, format, true)
    const y0 = loadFour(b, format, false)
    const y1 = loadFour(b, format, true)
    let v0 = toBinary32(x0, format)
    let v1 = toBinary32(x1, format)
    let w0 = y0
    let w1 = y1
    if (careful) {
      const finite0 = v128.and(i32x4.lt_s(magnitude(x0), infinity), i32x4.lt_s(magnitude(y0), infinity))
      const finite1 = v128.and(i32x4.lt_s(magnitude(x1), infinity), i32x4.lt_s(magnitude(y1), infinity))
      v0 = toBinary32(v128.and(x0, finite0), format)
      v1 = toBinary32(v128.and(x1, finite1), format)
      w0 = v128.and(y0, finite0)
      w1 = v128.and(y1, finite1)
    }
    const a0 = lowPair(v0), a1 = highPair(v0), a2 = lowPair(v1), a3 = highPair(v1)
    s0 = plusSquare(s0, a0)
    s1 = plusSquare(s1, a1)
    s2 = plusSquare(s2, a2)
    s3 = plusSquare(s3, a3)
    // Equal patterns are 0 apart and add +0 to sums that are never −0: nothing changes.
    if (!v128.any_true(v128.or(v128.xor(x0, y0), v128.xor(x1, y1)))) continue
    w0 = toBinary32(w0, format)
    w1 = toBinary32(w1, format)
    d0 = plusSquare(d0, f64x2.sub(a0, lowPair(w0)))
    d1 = plusSquare(d1, f64x2.sub(a1, highPair(w0)))
    d2 = plusSquare(d2, f64x2.sub(a2, lowPair(w1)))
    d3 = plusSquare(d3, f64x2.sub(a3, highPair(w1)))
    const mx0 = magnitude(x0), my0 = magnitude(y0), mx1 = magnitude(x1), my1 = magnitude(y1)
    let e0 = distance(x0, y0, mx0, my0, shift)
    let e1 = distance(x1, y1, mx1, my1, shift)
    const unequal0 = i32x4.ne(x0, y0)
    const unequal1 = i32x4.ne(x1, y1)
    if (careful) {
      const nan0 = v128.or(i32x4.gt_s(magnitude(x0), infinity), i32x4.gt_s(magnitude(y0), infinity))
      const nan1 = v128.or(i32x4.gt_s(magnitude(x1), infinity), i32x4.gt_s(magnitude(y1), infinity))
      e0 = v128.andnot(e0, nan0)
      e1 = v128.andnot(e1, nan1)
    }
    // One less than a magnitude is, unsigned, largest for zero: one comparison finds both ends.
    const ends0 = i32x4.max_u(i32x4.sub(mx0, one), i32x4.sub(my0, one))
    const ends1 = i32x4.max_u(i32x4.sub(mx1, one), i32x4.sub(my1, one))
    special = i32x4.max_u(i32x4.max_u(special, v128.and(ends0, unequal0)), v128.and(ends1, unequal1))
    sum = i32x4.add(sum, i32x4.add(i32x4.sub(x0, y0), i32x4.sub(x1, y1)))
    unequal = i32x4.sub(i32x4.sub(unequal, unequal0), unequal1)
    largest = i32x4.max_u(i32x4.max_u(largest, e0), e1)
    countFour(slot, e0, 0)
    countFour(slot, e1, 4)
  }
  v128.store(slot, unequal, UNEQUAL)
  v128.store(slot, largest, LARGEST)
  v128.store(slot, sum, SUM)
  const limit = i32x4.splat(largestFiniteOf(format) - 1)
  store<u64>(slot, v128.any_true(i32x4.ge_u(special, limit)) ? 1 : 0, SPECIAL)
  storeLanes(slot + LANES, s0, s1, s2, s3)
  storeLanes(slot + LANES + 64, d0, d1, d2, d3)
}

// @ts-ignore: decorator
@inline
function storeLanes(at: usize, l0: v128, l1: v128, l2: v128, l3: v128): void {
  v128.store(at, l0)
  v128.store(at, l1, 16)
  v128.store(at, l2, 32)
  v128.store(at, l3, 48)
}

/** The second count of a block: pairs of each kind that needs a look at zeros, limits, infinities and NaNs. */
// @ts-ignore: decorator
@inline
function narrowKinds(slot: usize, n: i32, format: i32): void {
  if (load<u64>(slot, SPECIAL) == 0) return
  const infinity = i32x4.splat(infinityOf(format))
  const largestFinite = i32x4.splat(largestFiniteOf(format))
  const leastNormal = i32x4.splat(format == 16 ? 0x04000000 : 0x00800000)
  const zero = i32x4.splat(0)
  const rounding = i32x4.splat(format == 32 ? ROUNDING : ROUNDING << 16)
  const shift = format == 32 ? 0 : 16
  const step: usize = format == 32 ? 16 : 8
  const end = slot + A + (<usize>n >> 2) * step
  let nanSign = zero, nanPayload = zero, nanNumber = zero, infinitySign = zero, infinityFinite = zero
  let subnormalZero = zero, zeroNumber = zero, saturation = zero, close = zero, signOfZero = zero
  for (let a = slot + A, b = slot + B; a < end; a += step, b += step) {
    const x = loadFour(a, format, false)
    const y = loadFour(b, format, false)
    const unequal = i32x4.ne(x, y)
    const small = i32x4.min_s(magnitude(x), magnitude(y))
    const large = i32x4.max_s(magnitude(x), magnitude(y))
    const same = i32x4.eq(small, large)
    const finite = v128.and(unequal, i32x4.lt_s(large, infinity))
    const oneZero = v128.andnot(v128.and(finite, i32x4.eq(small, zero)), same)
    const subnormal = v128.and(oneZero, i32x4.lt_s(large, leastNormal))
    signOfZero = i32x4.sub(signOfZero, v128.and(unequal, i32x4.eq(large, zero)))
    subnormalZero = i32x4.sub(subnormalZero, subnormal)
    zeroNumber = i32x4.sub(zeroNumber, v128.andnot(oneZero, subnormal))
    // The distance from zero is the magnitude.
    close = i32x4.sub(close, v128.and(subnormal, i32x4.le_s(large, rounding)))
    const ends = v128.and(unequal, i32x4.ge_s(large, largestFinite))
    if (!v128.any_true(ends)) continue
    const near = i32x4.le_u(distance(x, y, magnitude(x), magnitude(y), shift), i32x4.splat(ROUNDING))
    const nan = v128.and(unequal, i32x4.gt_s(large, infinity))
    const bothNan = v128.and(nan, i32x4.gt_s(small, infinity))
    nanSign = i32x4.sub(nanSign, v128.and(bothNan, same))
    nanPayload = i32x4.sub(nanPayload, v128.andnot(bothNan, same))
    nanNumber = i32x4.sub(nanNumber, v128.andnot(nan, bothNan))
    const infinite = v128.and(unequal, i32x4.eq(large, infinity))
    const bothInfinite = v128.and(infinite, same)
    const overflow = v128.and(infinite, i32x4.eq(small, largestFinite))
    infinitySign = i32x4.sub(infinitySign, bothInfinite)
    infinityFinite = i32x4.sub(infinityFinite, v128.andnot(v128.andnot(infinite, bothInfinite), overflow))
    const atLimit = v128.andnot(v128.and(finite, i32x4.eq(large, largestFinite)), v128.or(same, oneZero))
    saturation = i32x4.sub(saturation, v128.or(overflow, v128.andnot(atLimit, near)))
    close = i32x4.sub(close, v128.and(infinite, near))
  }
  v128.store(slot, nanSign, NAN_SIGN)
  v128.store(slot, nanPayload, NAN_PAYLOAD)
  v128.store(slot, nanNumber, NAN_NUMBER)
  v128.store(slot, infinitySign, INFINITY_SIGN)
  v128.store(slot, infinityFinite, INFINITY_FINITE)
  v128.store(slot, subnormalZero, SUBNORMAL_ZERO)
  v128.store(slot, zeroNumber, ZERO)
  v128.store(slot, saturation, SATURATION)
  v128.store(slot, signOfZero, SIGN_OF_ZERO)
  v128.store(slot, close, NEAR)
}

/** Whether a sum of squares met an infinity or a NaN. */
function metNonFinite(slot: usize): bool {
  let sum: f64 = 0
  for (let at = slot + LANES; at < slot + UNEQUAL; at += 8) sum += load<f64>(at)
  return !isFinite(sum)
}

/** Each counts the first n elements of a slot, of its format; n is a multiple of 8. */
function tallyF32(slot: usize, n: i32): void {
  narrow(slot, n, 32, false)
  if (metNonFinite(slot)) narrow(slot, n, 32, true)
  narrowKinds(slot, n, 32)
}
function tallyF16(slot: usize, n: i32): void {
  // Rebiased, its infinities are finite in binary32 and would not be met.
  narrow(slot, n, 16, true)
  narrowKinds(slot, n, 16)
}
function tallyBf16(slot: usize, n: i32): void {
  narrow(slot, n, 17, false)
  if (metNonFinite(slot)) narrow(slot, n, 17, true)
  narrowKinds(slot, n, 17)
}

const INFINITY64: i64 = 0x7ff0000000000000
const LEAST_NORMAL64: i64 = 0x0010000000000000
const MAGNITUDE64: i64 = 0x7fffffffffffffff

// @ts-ignore: decorator
@inline
function order64(x: i64): i64 {
  const sign = x >> 63
  return ((x & MAGNITUDE64) ^ sign) - sign
}

function distance64(a: i64, b: i64): u64 {
  const orderA = order64(a)
  const orderB = order64(b)
  return <u64>(orderA > orderB ? orderA - orderB : orderB - orderA)
}

function addOne(slot: usize, offset: usize): void {
  store<i32>(slot + offset, load<i32>(slot + offset) + 1)
}

function countOne(slot: usize, a: i64, b: i64, lane: usize): void {
  if (a == b) return
  addOne(slot, UNEQUAL)
  const x = a & MAGNITUDE64
  const y = b & MAGNITUDE64
  const ends = max<u64>(<u64>(x - 1), <u64>(y - 1))
  if (ends >= <u64>(INFINITY64 - 2)) store<u64>(slot, 1, SPECIAL)
  if (x > INFINITY64 || y > INFINITY64) return
  const d = distance64(a, b)
  if (d > load<u64>(slot, LARGEST)) store<u64>(slot, d, LARGEST)
  if (d != 0) countOfF64(slot, d, lane)
}

/** As narrowKinds, an element at a time. */
function kindsF64(slot: usize, n: i32): void {
  if (load<u64>(slot, SPECIAL) == 0) return
  const end = slot + A + (<usize>n << 3)
  for (let at = slot + A; at < end; at += 8) {
    const a = load<i64>(at)
    const b = load<i64>(at, B)
    if (a != b) kindOfOne(slot, a, b)
  }
}

function kindOfOne(slot: usize, a: i64, b: i64): void {
  const small = min<i64>(a & MAGNITUDE64, b & MAGNITUDE64)
  const large = max<i64>(a & MAGNITUDE64, b & MAGNITUDE64)
  const largestFinite = INFINITY64 - 1
  if (large > INFINITY64) {
    addOne(slot, small <= INFINITY64 ? NAN_NUMBER : small == large ? NAN_SIGN : NAN_PAYLOAD)
    return
  }
  const near = distance64(a, b) <= <u64>ROUNDING
  if (large == INFINITY64) {
    addOne(slot, small == INFINITY64 ? INFINITY_SIGN : small == largestFinite ? SATURATION : INFINITY_FINITE)
  } else if (small == 0) {
    if (large == 0) {
      addOne(slot, SIGN_OF_ZERO)
      return
    }
    addOne(slot, large < LEAST_NORMAL64 ? SUBNORMAL_ZERO : ZERO)
  } else if (large == largestFinite && small < large && !near) {
    addOne(slot, SATURATION)
    return
  } else {
    return
  }
  if (near) addOne(slot, NEAR)
}

/** Two elements; the sum of squares comes back, that of differences is added in memory. */
// @ts-ignore: decorator
@inline
function twoWide(slot: usize, a: usize, b: usize, sum: v128, lane: usize): v128 {
  const x = v128.load(a + (lane << 3))
  const y = v128.load(b + (lane << 3))
  const infinity = i64x2.splat(INFINITY64)
  const mask = i64x2.splat(MAGNITUDE64)
  const finite = v128.and(i64x2.lt_s(v128.and(x, mask), infinity), i64x2.lt_s(v128.and(y, mask), infinity))
  const v = v128.and(x, finite)
  if (v128.any_true(v128.xor(x, y))) {
    const at = slot + LANES + 64 + (lane << 3)
    v128.store(at, plusSquare(v128.load(at), f64x2.sub(v, v128.and(y, finite))))
    v128.store(slot, i64x2.add(v128.load(slot, SUM), i64x2.sub(x, y)), SUM)
    countOne(slot, i64x2.extract_lane(x, 0), i64x2.extract_lane(y, 0), lane)
    countOne(slot, i64x2.extract_lane(x, 1), i64x2.extract_lane(y, 1), lane + 1)
  }
  return plusSquare(sum, v)
}

function tallyF64(slot: usize, n: i32): void {
  memory.fill(slot + LANES, 0, END - LANES)
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0)
  const end = slot + A + (<usize>n << 3)
  for (let a = slot + A, b = slot + B; a < end; a += 64, b += 64) {
    s0 = twoWide(slot, a, b, s0, 0)
    s1 = twoWide(slot, a, b, s1, 2)
    s2 = twoWide(slot, a, b, s2, 4)
    s3 = twoWide(slot, a, b, s3, 6)
  }
  storeLanes(slot + LANES, s0, s1, s2, s3)
  kindsF64(slot, n)
}

export { tallyF32 as f32, tallyF64 as f64, tallyF16 as f16, tallyBf16 as bf16 }
