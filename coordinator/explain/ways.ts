import type { Partition } from './partition.ts'

/** A chance above this is no evidence. */
export const chanceLimit = 0.05

/** How many units each class has, the largest first. */
export function classSizes({ blocks, count }: Partition): number[] {
  const sizes = new Array<number>(count).fill(0)
  for (const block of blocks) sizes[block] = (sizes[block] as number) + 1
  return sizes.sort((a, b) => b - a)
}

/** In how many ways units can be parted into classes of these sizes: n! / (∏ sizes! · ∏ (classes of one size)!). */
export function waysToPart(sizes: readonly number[]): bigint {
  const ofSize = new Map<number, number>()
  for (const size of sizes) ofSize.set(size, (ofSize.get(size) ?? 0) + 1)
  const n = sizes.reduce((sum, size) => sum + size, 0)
  const divisor = [...sizes, ...ofSize.values()].reduce((product, k) => product * factorial(k), 1n)
  return factorial(n) / divisor
}

const factorials = [1n]

function factorial(n: number): bigint {
  for (let k = factorials.length; k <= n; k++) factorials.push((factorials[k - 1] as bigint) * BigInt(k))
  return factorials[n] as bigint
}

/**
 * Whether a set of facts that parts the units perfectly could have a chance of at most 5 %. The observed way is one of
 * all ways, so no chance is below one divided by their number.
 */
export function canShowCause(ways: bigint): boolean {
  return ways >= BigInt(Math.round(1 / chanceLimit))
}

/**
 * Visits every way to part units into classes of these sizes once: class k has the k-th largest size, and classes of one
 * size are numbered by their first units. The array is the same at each visit, with other numbers in it.
 */
export function eachWay(sizes: readonly number[], visit: (classes: Int32Array) => void): void {
  const n = sizes.reduce((sum, size) => sum + size, 0)
  const classes = new Int32Array(n)
  const free = sizes.toSorted((a, b) => b - a)
  if (free.length === 2 && free[1] === 1 && n > 2) {
    // One odd unit among thousands would be a recursion of thousands.
    for (let odd = 0; odd < n; odd++) {
      classes.fill(0)
      classes[odd] = 1
      visit(classes)
    }
    return
  }
  const used = new Int32Array(free.length)
  const place = (unit: number) => {
    if (unit === n) {
      visit(classes)
      return
    }
    for (let k = 0; k < free.length; k++) {
      if (used[k] === free[k]) continue
      // Of classes of one size that are all empty, only the first.
      if (used[k] === 0 && k > 0 && used[k - 1] === 0 && free[k - 1] === free[k]) continue
      used[k] = (used[k] as number) + 1
      classes[unit] = k
      place(unit + 1)
      used[k] = (used[k] as number) - 1
    }
  }
  place(0)
}
