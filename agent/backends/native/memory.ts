import koffi from 'koffi'

/** A cache line, and the widest vector register. */
export const alignmentBytes = 64

/**
 * Zeroed bytes whose address is a multiple of 64. OpenBLAS's results depend on the alignment of its operands, so it is
 * pinned. Backed by a buffer of its own, which no garbage collection moves.
 */
export function alignedBytes(length: number): Uint8Array {
  const buffer = new ArrayBuffer(Math.max(length, 1) + alignmentBytes - 1)
  const misalignment = Number(addressOf(new Uint8Array(buffer)) % BigInt(alignmentBytes))
  return new Uint8Array(buffer, misalignment === 0 ? 0 : alignmentBytes - misalignment, length)
}

/** A copy of the bytes at an address that is a multiple of 64. */
export function alignedCopy(bytes: Uint8Array): Uint8Array {
  const copy = alignedBytes(bytes.length)
  copy.set(bytes)
  return copy
}

export function addressOf(bytes: Uint8Array): bigint {
  return koffi.address(bytes)
}
