import type { Checkpoint, Trace } from '../../shared/trace.ts'

/** Where two traces part: the first position whose checkpoints differ, or at which the shorter one has ended. */
export interface Parting {
  readonly position: number
  /** Comparisons of prefix digests that found it. */
  readonly comparisons: number
}

/**
 * The first position at which two different traces part, by binary search: prefix digests are equal exactly up to it.
 * With n places where it can be, ⌈log₂ n⌉ comparisons.
 *
 * @param from a position before which the traces are known to be equal
 */
export function firstDivergence(a: Trace, b: Trace, from = 0): Parting {
  const common = Math.min(a.prefixes.length, b.prefixes.length)
  let low = from
  // Different traces of one length differ in their last prefix; of different lengths, one may go on where the other ends.
  let high = a.prefixes.length === b.prefixes.length ? common - 1 : common
  let comparisons = 0
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    comparisons++
    if (a.prefixes[middle] === b.prefixes[middle]) low = middle + 1
    else high = middle
  }
  return { position: low, comparisons }
}

/** A branching of the prefix tree, seen from one of its children: trace `b` leaves trace `a`, which came first. */
export interface Branch extends Parting {
  /** Places in the list of traces, `a` before `b`. */
  readonly a: number
  readonly b: number
}

/**
 * The branchings of the prefix tree of distinct traces: each trace but the first leaves, once, the first of those that
 * share the longest prefix with it. So k children of a node make k − 1 branches, and n traces n − 1.
 */
export function prefixTreeBranches(traces: readonly Trace[]): Branch[] {
  // For each trace, the traces that leave it, by the prefix digest with which they do.
  const leaving: Map<string, number>[] = traces.map(() => new Map())
  const branches: Branch[] = []
  for (let b = 1; b < traces.length; b++) {
    const trace = traces[b] as Trace
    let comparisons = 0
    let from = 0
    for (let a: number | undefined = 0; a !== undefined; ) {
      const parting = firstDivergence(traces[a] as Trace, trace, from)
      comparisons += parting.comparisons
      from = parting.position
      const key = trace.prefixes[from] ?? `end ${from}`
      const children = leaving[a] as Map<string, number>
      const next = children.get(key)
      if (next === undefined) {
        children.set(key, b)
        branches.push({ a, b, position: from, comparisons })
      }
      a = next
    }
  }
  return branches
}

/** Whether two checkpoints are the same place of one schema, so that their tensors may be compared. */
export function samePlace(a: Checkpoint, b: Checkpoint): boolean {
  return a.name === b.name && a.step === b.step && a.dtype === b.dtype && a.shape.join() === b.shape.join()
}
