import {
  type ComparisonSource,
  type FileComparison,
  type NamedComparison,
  compareSources,
  readSource,
} from '../compare/files.ts'
import { visibleLine } from '../../shared/visible.ts'
import { hasDistances, kindCounts, kindName, kindText } from '../report/kind-text.ts'

/** What an argument that is no file stands for (such as RUN/CELL), or undefined to take it as a file. */
export type ResolveSource = (text: string) => Promise<ComparisonSource | undefined>

/**
 * `bitfleet diff A B`: prints the verdict, the first difference and the ULP histogram on standard output.
 *
 * @returns 0 where every bit is equal, 3 if there is nothing to compare, else 1
 * @throws as `compareFiles`
 */
export async function runDiff(
  a: string,
  b: string,
  { json, resolve }: { json?: boolean; resolve?: ResolveSource } = {},
): Promise<number> {
  const source = async (text: string) => (await resolve?.(text)) ?? readSource(text)
  const comparison = compareSources(await source(a), await source(b))
  process.stdout.write(json ? `${JSON.stringify({ a, b, ...comparison }, null, 2)}\n` : formatDiff(a, b, comparison))
  return comparison.equal === null ? 3 : comparison.equal ? 0 : 1
}

/** Tensors whose differences are told in full; of the others, a line. */
const toldInFull = 8

/** The comparison in words. Names come from files and are made harmless for a terminal. */
export function formatDiff(a: string, b: string, comparison: FileComparison): string {
  const [left, right] = [visibleLine(a), visibleLine(b)]
  if (comparison.equal === null) {
    return `${left} and ${right}: nothing compared: neither has ${comparison.kind === 'trace' ? 'a checkpoint' : 'an array'}\n`
  }
  const lines = [`${left} and ${right} ${comparison.equal ? 'are identical' : 'differ'}`]
  if (comparison.kind === 'trace') lines.push(...comparison.notes.map(visibleLine), ...traceLines(comparison))
  else {
    const differing = comparison.tensors.filter(({ equal }) => !equal)
    const { length } = comparison.tensors
    if (length > 1) lines.push(`${differing.length} of ${length} tensors differ`)
    for (const tensor of length === 1 ? comparison.tensors : differing.slice(0, toldInFull)) {
      lines.push('', ...tensorLines(tensor))
    }
    lines.push(...(differing.length > toldInFull ? [''] : []), ...differing.slice(toldInFull).map(summary))
  }
  return `${lines.join('\n')}\n`
}

function traceLines({ checkpoints, digests, divergence }: Extract<FileComparison, { kind: 'trace' }>): string[] {
  if (divergence === null) return [`${checkpoints[0]} checkpoints, trace ${digests[0] || 'without checkpoints'}`]
  const { position, comparisons, a, b } = divergence
  const side = (name: string, checkpoint: typeof a) => {
    if (checkpoint === null) return `  ${name}  ended after ${position} checkpoints`
    const { step, dtype, shape, digest } = checkpoint
    return `  ${name}  ${visibleLine(checkpoint.name)}  step ${step}  ${dtype}[${shape.join(', ')}]  ${digest}`
  }
  return [
    `${checkpoints[0]} and ${checkpoints[1]} checkpoints; ${position} equal before the first difference`,
    `first difference at checkpoint ${position} (found by ${comparisons} comparisons of prefix digests):`,
    side('a', a),
    side('b', b),
  ]
}

function summary({ name, dtype, shape, statistics }: NamedComparison): string {
  const { elements, unequal, maxUlp } = statistics
  const share = elements === 0 ? '' : ` (${((100 * unequal) / elements).toPrecision(3)} %)`
  const parts = [`${unequal} of ${elements} elements differ${share}`]
  if (unequal > 0) parts[0] += `: ${kindText(statistics)}`
  if (unequal > 0 && hasDistances(statistics)) {
    parts.push(maxUlp === null ? 'largest distance not measured' : `at most ${maxUlp} ULP`)
    parts.push(`relative L2 ${normText(statistics)}`)
  }
  return `${name === '' ? '' : `${visibleLine(name)}  `}${dtype}[${shape.join(', ')}]: ${parts.join(', ')}`
}

function normText({ relativeL2 }: NamedComparison['statistics']): string {
  return typeof relativeL2 === 'number' ? relativeL2.toPrecision(6) : (relativeL2 ?? 'not measured')
}

function tensorLines(tensor: NamedComparison): string[] {
  const { first, statistics } = tensor
  const lines = [summary(tensor)]
  if (first === null) return [...lines, tensor.digests[0]]
  const width = Math.max(...first.values.map(({ length }) => length))
  lines.push(
    `first difference at [${first.indices.join(', ')}] (element ${first.element} in C order):`,
    `  a  ${first.bits[0]}  ${first.values[0].padStart(width)}`,
    `  b  ${first.bits[1]}  ${first.values[1].padStart(width)}`,
  )
  if (hasDistances(statistics)) lines.push(`  ${first.ulp === null ? 'no distance: a NaN' : `${first.ulp} ULP apart`}`)
  if (first.kind !== null) lines.push(`  ${kindName(first.kind)}`)
  lines.push(...notMeasuredLines(statistics), 'differing elements by kind:', ...kindLines(statistics))
  if (statistics.histogram.length > 0)
    lines.push('elements by ULP distance (bars logarithmic):', ...bars(statistics.histogram))
  return lines
}

function notMeasuredLines({ notMeasured, histogram }: NamedComparison['statistics']): string[] {
  if (histogram.length === 0) return []
  const { maxUlp, relativeL2 } = notMeasured
  return [
    ...(maxUlp === undefined ? [] : [`largest distance: not measured, ${maxUlp}`]),
    ...(relativeL2 === undefined ? [] : [`relative L2: not measured, ${relativeL2}`]),
  ]
}

function kindLines({ kinds }: NamedComparison['statistics']): string[] {
  const counts = kindCounts(kinds)
  const width = Math.max(...counts.map(([, count]) => String(count).length))
  return counts.map(([kind, count]) => `  ${String(count).padStart(width)}  ${kindName(kind)}`)
}

const barWidth = 40

function bars(histogram: NamedComparison['statistics']['histogram']): string[] {
  const most = Math.max(...histogram.map(({ count }) => count))
  const labelWidth = Math.max(...histogram.map(({ bucket }) => bucket.length))
  const countWidth = String(most).length
  return histogram.map(({ bucket, count }) => {
    const length = 1 + Math.round(((barWidth - 1) * Math.log(count)) / Math.log(most || 1) || 0)
    return `  ${bucket.padStart(labelWidth)}  ${String(count).padStart(countWidth)}  ${'█'.repeat(length)}`
  })
}
