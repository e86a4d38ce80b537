// One block of a tally (tally.ts says what is counted), compiled to WebAssembly by build.mjs beside this file.
//
// Memory: the block of a, the block of b, then what was counted in it. The host copies blocks in and reads counts out;
// counts and lanes are written anew for every block.

const BLOCK_ELEMENTS: usize = 16384
const A: usize = 0x10000
const B: usize = A + BLOCK_ELEMENTS * 8
const LANES: usize = B + BLOCK_ELEMENTS * 8 // f64[8] of squares, f64[8] of squared differences
const COUNTS: usize = LANES + 128 // i32[4] of each: unequal, zero distance, NaN; and u32[4] or u64[1] of the largest
const UNEQUAL: usize = COUNTS
const ZERO: usize = COUNTS + 16
const NAN: usize = COUNTS + 32
const LARGEST: usize = COUNTS + 48
const RANKS: usize = COUNTS + 64 // u32[66][8]: each lane counts for itself, so that no store waits for another's
const RANKS_BYTES: usize = 66 * 8 * 4

export function addressOfA(): usize { return A }
export function addressOfB(): usize { return B }
export function addressOfLanes(): usize { return LANES }
export function addressOfCounts(): usize { return COUNTS }
export function addressOfRanks(): usize { return RANKS }

function begin(): void {
  memory.fill(LANES, 0, RANKS + RANKS_BYTES - LANES)
}

// @ts-ignore: decorator
@inline
function bump(slot: usize, mask: v128): void {
  v128.store(slot, i32x4.sub(v128.load(slot), mask))
}

// @ts-ignore: decorator
@inline
function countRank(d: u32, lane: usize): void {
  // 1 → 1, 2 → 2, 3 … 4 → 3; a distance of 0 lands on 33 and is taken off by the host, which knows how many there are.
  const at = RANKS + ((<usize>(33 - clz<u32>(d - 1))) << 5) + (lane << 2)
  store<u32>(at, load<u32>(at) + 1)
}

/** Distances of four patterns held in the upper bits of 32, `shift` bits above their place. */
// @ts-ignore: decorator
@inline
function countFour(a: v128, b: v128, infinity: v128, shift: i32, lane: usize): void {
  const magnitude = i32x4.splat(0x7fffffff)
  const absA = v128.and(a, magnitude)
  const absB = v128.and(b, magnitude)
  const signA = i32x4.shr_s(a, 31)
  const signB = i32x4.shr_s(b, 31)
  const orderA = i32x4.sub(v128.xor(absA, signA), signA)
  const orderB = i32x4.sub(v128.xor(absB, signB), signB)
  const nan = v128.or(i32x4.gt_s(absA, infinity), i32x4.gt_s(absB, infinity))
  const apart = i32x4.sub(i32x4.max_s(orderA, orderB), i32x4.min_s(orderA, orderB))
  const d = i32x4.shr_u(v128.andnot(apart, nan), shift)
  const unequal = i32x4.ne(a, b)
  bump(UNEQUAL, unequal)
  bump(NAN, v128.and(nan, unequal))
  bump(ZERO, i32x4.eq(d, i32x4.splat(0)))
  v128.store(LARGEST, i32x4.max_u(v128.load(LARGEST), d))
  countRank(i32x4.extract_lane(d, 0), lane)
  countRank(i32x4.extract_lane(d, 1), lane + 1)
  countRank(i32x4.extract_lane(d, 2), lane + 2)
  countRank(i32x4.extract_lane(d, 3), lane + 3)
}

/** All ones where both are finite. */
// @ts-ignore: decorator
@inline
function bothFinite(a: v128, b: v128, infinity: v128): v128 {
  const magnitude = i32x4.splat(0x7fffffff)
  return v128.and(i32x4.lt_s(v128.and(a, magnitude), infinity), i32x4.lt_s(v128.and(b, magnitude), infinity))
}

/** Patterns in the upper bits of 32, as binary32 values: those of binary16 are rebiased, which is exact. */
// @ts-ignore: decorator
@inline
function toBinary32(x: v128, format: i32): v128 {
  if (format != 16) return x
  const scaled = f32x4.mul(i32x4.shr_u(v128.and(x, i32x4.splat(0x7fffffff)), 3), f32x4.splat(reinterpret<f32>(0x77800000)))
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

/** format: 32 is binary32, 16 binary16, 17 bfloat16. n is a multiple of 8. */
// @ts-ignore: decorator
@inline
function upTo32(n: i32, format: i32): void {
  begin()
  const infinity = i32x4.splat(format == 16 ? 0x7c000000 : 0x7f800000)
  const shift = format == 32 ? 0 : 16
  const step: usize = format == 32 ? 32 : 16
  let a = A
  let b = B
  const end = A + (<usize>n >> 3) * step
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0)
  let d0 = f64x2.splat(0), d1 = f64x2.splat(0), d2 = f64x2.splat(0), d3 = f64x2.splat(0)
  while (a < end) {
    let x0: v128, x1: v128, y0: v128, y1: v128
    if (format == 32) {
      x0 = v128.load(a)
      x1 = v128.load(a, 16)
      y0 = v128.load(b)
      y1 = v128.load(b, 16)
    } else {
      const x = v128.load(a)
      const y = v128.load(b)
      x0 = i32x4.shl(i32x4.extend_low_i16x8_u(x), 16)
      x1 = i32x4.shl(i32x4.extend_high_i16x8_u(x), 16)
      y0 = i32x4.shl(i32x4.extend_low_i16x8_u(y), 16)
      y1 = i32x4.shl(i32x4.extend_high_i16x8_u(y), 16)
    }
    const finite0 = bothFinite(x0, y0, infinity)
    const finite1 = bothFinite(x1, y1, infinity)
    const v0 = toBinary32(v128.and(x0, finite0), format)
    const v1 = toBinary32(v128.and(x1, finite1), format)
    const a0 = lowPair(v0), a1 = highPair(v0), a2 = lowPair(v1), a3 = highPair(v1)
    s0 = plusSquare(s0, a0)
    s1 = plusSquare(s1, a1)
    s2 = plusSquare(s2, a2)
    s3 = plusSquare(s3, a3)
    // Equal patterns are 0 apart and add +0 to sums that are never −0: nothing changes.
    if (v128.any_true(v128.or(v128.xor(x0, y0), v128.xor(x1, y1)))) {
      const w0 = toBinary32(v128.and(y0, finite0), format)
      const w1 = toBinary32(v128.and(y1, finite1), format)
      d0 = plusSquare(d0, f64x2.sub(a0, lowPair(w0)))
      d1 = plusSquare(d1, f64x2.sub(a1, highPair(w0)))
      d2 = plusSquare(d2, f64x2.sub(a2, lowPair(w1)))
      d3 = plusSquare(d3, f64x2.sub(a3, highPair(w1)))
      countFour(x0, y0, infinity, shift, 0)
      countFour(x1, y1, infinity, shift, 4)
    }
    a += step
    b += step
  }
  storeLanes(s0, s1, s2, s3, d0, d1, d2, d3)
}

// @ts-ignore: decorator
@inline
function storeLanes(s0: v128, s1: v128, s2: v128, s3: v128, d0: v128, d1: v128, d2: v128, d3: v128): void {
  v128.store(LANES, s0)
  v128.store(LANES, s1, 16)
  v128.store(LANES, s2, 32)
  v128.store(LANES, s3, 48)
  v128.store(LANES, d0, 64)
  v128.store(LANES, d1, 80)
  v128.store(LANES, d2, 96)
  v128.store(LANES, d3, 112)
}

function tallyF32(n: i32): void { upTo32(n, 32) }
function tallyF16(n: i32): void { upTo32(n, 16) }
function tallyBf16(n: i32): void { upTo32(n, 17) }

const INFINITY64: i64 = 0x7ff0000000000000
const MAGNITUDE64: i64 = 0x7fffffffffffffff

function countOne(a: i64, b: i64, lane: usize): void {
  if (a == b) return
  store<i32>(UNEQUAL, load<i32>(UNEQUAL) + 1)
  const absA = a & MAGNITUDE64
  const absB = b & MAGNITUDE64
  if (absA > INFINITY64 || absB > INFINITY64) {
    store<i32>(NAN, load<i32>(NAN) + 1)
    return
  }
  const orderA = (absA ^ (a >> 63)) - (a >> 63)
  const orderB = (absB ^ (b >> 63)) - (b >> 63)
  const d = <u64>(orderA > orderB ? orderA - orderB : orderB - orderA)
  if (d == 0) return
  if (d > load<u64>(LARGEST)) store<u64>(LARGEST, d)
  const at = RANKS + (<usize>(65 - clz<u64>(d - 1)) << 5) + (lane << 2)
  store<u32>(at, load<u32>(at) + 1)
}

/** Two elements; the sum of squares comes back, that of differences is added in memory. */
// @ts-ignore: decorator
@inline
function twoWide(a: usize, b: usize, sum: v128, lane: usize): v128 {
  const x = v128.load(a + (lane << 3))
  const y = v128.load(b + (lane << 3))
  const magnitude = i64x2.splat(MAGNITUDE64)
  const infinity = i64x2.splat(INFINITY64)
  const finite = v128.and(i64x2.lt_s(v128.and(x, magnitude), infinity), i64x2.lt_s(v128.and(y, magnitude), infinity))
  const v = v128.and(x, finite)
  if (v128.any_true(v128.xor(x, y))) {
    const at = LANES + 64 + (lane << 3)
    v128.store(at, plusSquare(v128.load(at), f64x2.sub(v, v128.and(y, finite))))
    countOne(i64x2.extract_lane(x, 0), i64x2.extract_lane(y, 0), lane)
    countOne(i64x2.extract_lane(x, 1), i64x2.extract_lane(y, 1), lane + 1)
  }
  return plusSquare(sum, v)
}

function tallyF64(n: i32): void {
  begin()
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0)
  const end = A + (<usize>n << 3)
  let b = B
  for (let a = A; a < end; a += 64) {
    s0 = twoWide(a, b, s0, 0)
    s1 = twoWide(a, b, s1, 2)
    s2 = twoWide(a, b, s2, 4)
    s3 = twoWide(a, b, s3, 6)
    b += 64
  }
  v128.store(LANES, s0)
  v128.store(LANES, s1, 16)
  v128.store(LANES, s2, 32)
  v128.store(LANES, s3, 48)
}

export { tallyF32 as f32, tallyF64 as f64, tallyF16 as f16, tallyBf16 as bf16 }
