import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { entryPoint } from '../../../shared/entry-point.ts'
import { type FloatDType, dtypeBytes } from '../../../shared/tensor.ts'
import { type SharedMemory, createControl, loadKernel, slotAddress, slotCount } from './slots.ts'
import {
  type FloatKind,
  type TallyFunction,
  blockElements,
  combineLanes,
  lanes,
  noKinds,
  rankCount,
  roundingRank,
} from './tally.ts'

/** Of fewer bytes a second thread would not have begun before the first has ended. */
const worthThreads = 32 << 20
/** More threads than this count faster than one can copy. */
const mostThreads = 3

/**
 * The WebAssembly kernel: blocks are copied into its memory and counted there, by vectors of 128 bits, and of large
 * tensors by other threads while this one copies. Counts are gathered in the order of blocks, so that sums do not
 * depend on who counted. Undefined on a processor whose vectors the engine cannot use.
 *
 * @param threadedBytes size of a tensor from which on other threads help
 */
export function createSimdTally(threadedBytes: number = worthThreads): TallyFunction | undefined {
  const loaded = loadKernel()
  if (loaded === undefined) return undefined
  const { kernel, memory } = loaded
  const control = createControl(memory)
  const slots = Array.from({ length: slotCount }, (_, slot) => openSlot(memory, slot))
  let threads: Worker[] | undefined

  /** Counts what nobody has taken yet until this slot is done. */
  const settle = (slot: number) => {
    while (!control.isDone(slot)) {
      if (control.count(kernel, slot)) continue
      if (slots.some((_, other) => control.count(kernel, other))) continue
      control.awaitDone(slot)
    }
  }

  return (dtype, a, b) => {
    if (a.length >= threadedBytes) threads ??= startThreads(memory)
    const used = threads?.length ? slotCount : 1
    const blockBytes = blockElements * dtypeBytes[dtype]
    const blocks = Math.ceil(a.length / blockBytes)
    const totals = createTotals()
    for (let block = 0; block < blocks + used; block++) {
      const slot = block % used
      const view = slots[slot] as Slot
      if (block >= used && block - used < blocks) {
        settle(slot)
        totals.add(dtype, view)
      }
      if (block >= blocks) continue
      const at = block * blockBytes
      const elements = view.fill(dtype, a.subarray(at, at + blockBytes), b.subarray(at, at + blockBytes))
      control.offer(slot, dtype, elements)
    }
    return totals.tally(dtype)
  }
}

/** Threads that end with the process and keep it from nothing; one that cannot start is done without. */
function startThreads(memory: SharedMemory): Worker[] {
  const count = Math.min(mostThreads, availableParallelism() - 1)
  return Array.from({ length: count }, () => {
    const thread = new Worker(entryPoint(import.meta.url, './worker.ts'), { workerData: memory })
    thread.on('error', () => undefined)
    thread.unref()
    return thread
  })
}

interface Slot {
  readonly squares: Float64Array
  readonly differences: Float64Array
  readonly unequal: Int32Array
  readonly largest32: Uint32Array
  readonly largest64: BigUint64Array
  /** Patterns of a less patterns of b, modulo a power of two. */
  readonly sum32: Int32Array
  readonly sum64: BigInt64Array
  /** Of each of `counted`, then the close ones of the last kinds but one; four lanes each. */
  readonly kinds: Int32Array
  /** Pairs by the highest bit of their distance less 1: tally.as.ts says in which rows. */
  readonly rows: Uint32Array
  /** Copies a block of each in; returns how many elements to count, with equal ones up to a multiple of the lanes. */
  fill(dtype: FloatDType, a: Uint8Array, b: Uint8Array): number
}

function openSlot({ buffer }: SharedMemory, slot: number): Slot {
  const inputBytes = blockElements * 8
  const blockA = new Uint8Array(buffer, slotAddress(slot), inputBytes)
  const blockB = new Uint8Array(buffer, slotAddress(slot) + inputBytes, inputBytes)
  const results = slotAddress(slot) + 2 * inputBytes
  return {
    squares: new Float64Array(buffer, results, lanes),
    differences: new Float64Array(buffer, results + 64, lanes),
    unequal: new Int32Array(buffer, results + 128, 4),
    largest32: new Uint32Array(buffer, results + 144, 4),
    largest64: new BigUint64Array(buffer, results + 144, 1),
    sum32: new Int32Array(buffer, results + 160, 4),
    sum64: new BigInt64Array(buffer, results + 160, 2),
    kinds: new Int32Array(buffer, results + 192, 10 * 4),
    rows: new Uint32Array(buffer, results + 352, 159 * lanes),
    fill(dtype, a, b) {
      const width = dtypeBytes[dtype]
      const elements = Math.ceil(a.length / width / lanes) * lanes
      blockA.set(a)
      blockB.set(b)
      blockA.fill(0, a.length, elements * width)
      blockB.fill(0, b.length, elements * width)
      return elements
    },
  }
}

/** The kinds that the kernel counts, in its order. The others follow from the distances. */
const counted: readonly FloatKind[] = [
  'nan-sign',
  'nan-payload',
  'nan-number',
  'infinity-sign',
  'infinity',
  'subnormal-zero',
  'zero',
  'saturation',
  'sign-of-zero',
]

function createTotals() {
  const ranks = new Float64Array(rankCount)
  const kinds = noKinds()
  const total = { unequal: 0, squares: 0, squaredDifferences: 0 }
  let maxUlp = 0n
  let sum = 0n
  return {
    add(dtype: FloatDType, slot: Slot) {
      total.squares += combineLanes(slot.squares)
      total.squaredDifferences += combineLanes(slot.differences)
      const unequal = sumOf(slot.unequal, 0, 4)
      if (unequal === 0) return
      total.unequal += unequal
      const apart = addKinds(kinds, unequal, slot.kinds)
      const near = addRanks(ranks, dtype, slot.rows, apart)
      const nearOthers = sumOf(slot.kinds, counted.length * 4, 4)
      kinds.rounding += near - nearOthers
      kinds.larger += apart - near - otherKinds(slot.kinds) + nearOthers
      const most = dtype === 'f64' ? (slot.largest64[0] as bigint) : BigInt(Math.max(...slot.largest32))
      if (most > maxUlp) maxUlp = most
      for (const part of dtype === 'f64' ? slot.sum64 : slot.sum32) sum += BigInt(part)
    },
    // Of fewer bits than 64 the patterns lie in the upper part of 32.
    tally: (dtype: FloatDType) => {
      const equalSums = BigInt.asUintN(dtype === 'f64' ? 64 : 32, sum) === 0n
      return { ...total, kinds, ranks, maxUlp, equalSums }
    },
  }
}

/** Adds a block's counts by kind. @returns how many pairs have a distance of at least 1 */
function addKinds(kinds: Record<FloatKind, number>, unequal: number, counts: Int32Array): number {
  let apart = unequal
  counted.forEach((kind, i) => {
    const count = sumOf(counts, i * 4, 4)
    kinds[kind] += count
    if (kind.startsWith('nan') || kind === 'sign-of-zero') apart -= count
  })
  return apart
}

/** Pairs of the counted kinds that have a distance of at least 1. */
function otherKinds(counts: Int32Array): number {
  return counted.reduce((sum, kind, i) => {
    return kind.startsWith('nan') || kind === 'sign-of-zero' ? sum : sum + sumOf(counts, i * 4, 4)
  }, 0)
}

/**
 * Adds a block's counts by rank.
 *
 * @param apart pairs with a distance of at least 1
 * @returns how many of them have at most that of rounding
 */
function addRanks(ranks: Float64Array, dtype: FloatDType, rows: Uint32Array, apart: number): number {
  let near = 0
  let rest = apart
  for (let rank = 1; rank < rankCount && rest > 0; rank++) {
    // Of the narrow formats the last row has distances of 0 too: what no other row has is in rank 33.
    const row = dtype === 'f64' ? 65 - rank : rank === 1 ? 0 : 125 + rank
    const count = dtype !== 'f64' && rank === 33 ? rest : sumOf(rows, row * lanes, lanes)
    ranks[rank] = (ranks[rank] as number) + count
    rest -= count
    if (rank <= roundingRank) near += count
  }
  return near
}

function sumOf(counts: Int32Array | Uint32Array, from: number, length: number): number {
  let sum = 0
  for (let i = from; i < from + length; i++) sum += counts[i] as number
  return sum
}
