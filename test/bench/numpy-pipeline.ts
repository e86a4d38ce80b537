import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatNpy } from '../../shared/npy.ts'
import type { Tensor } from '../../shared/tensor.ts'

/** Patterns as integers, monotone map in 64 bits, absolute difference, bincount: in pieces, which numpy likes better. */
const program = `
import sys, time
import numpy as np

def order(x):
    bits = x.view("<i4").astype(np.int64)
    return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))

def compare(a, b, piece=1 << 20):
    counts, first = np.zeros(34, np.int64), None
    for at in range(0, len(a), piece):
        x, y = a[at:at + piece], b[at:at + piece]
        unequal = x.view("<u4") != y.view("<u4")
        if first is None and unequal.any():
            first = at + int(unequal.argmax())
        d = np.abs(order(x) - order(y))
        counts += np.bincount(np.frexp(np.maximum(d - 1, 0))[1] + (d > 0), minlength=34)
    return first, counts

a, b = np.load(sys.argv[1]), np.load(sys.argv[2])
best = float("inf")
for _ in range(int(sys.argv[3])):
    begun = time.perf_counter()
    first, counts = compare(a, b)
    best = min(best, time.perf_counter() - begun)
print(best, np.__version__)
print(first, *counts)
`

export interface NumpyResult {
  readonly ms: number
  readonly version: string
  readonly first: number | null
  /** Counts by rank, as \`bucketName\` names them. */
  readonly counts: readonly number[]
}

/** The pipeline's best time over two f32 tensors, or undefined where this Python cannot import numpy. */
export function timeNumpy(python: string, a: Tensor, b: Tensor, repetitions: number): NumpyResult | undefined {
  if (spawnSync(python, ['-c', 'import numpy']).status !== 0) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'bitfleet-bench-'))
  try {
    const paths = [a, b].map((tensor, i) => {
      const path = join(folder, `${i}.npy`)
      writeFileSync(path, formatNpy(tensor))
      return path
    })
    const { status, stdout, stderr } = spawnSync(python, ['-c', program, ...paths, String(repetitions)], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`the numpy pipeline ended with ${status}: ${stderr}`)
    const [timing = '', result = ''] = stdout.trim().split('\n')
    const [seconds, version = ''] = timing.split(' ')
    const [first, ...counts] = result.split(' ')
    return {
      ms: Number(seconds) * 1000,
      version,
      first: first === 'None' ? null : Number(first),
      counts: counts.map(Number),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
