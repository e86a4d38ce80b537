import { type DType, dtypeBytes, elementCount, tensorFromBits } from '../../../shared/tensor.ts'
import { tensorFileName } from '../export.ts'
import type { Divergence, Report } from '../format.ts'
import { visible, visibleLine } from '../../../shared/visible.ts'

/** The plan to copy, and the lines that check this very report without us. */
export function Configuration({ report }: { report: Report }) {
  const byHand = checkFromThisPage(report)
  const found = report.comparisons.flatMap(({ divergences }) => divergences).find(({ element }) => element !== null)
  return (
    <>
      <section aria-labelledby="configuration-title">
        <div class="wide">
          <h2 id="configuration-title">Configuration</h2>
          <p>
            The plan as it ran, to copy. Its digest is <code class="digest">{report.run.planDigest}</code>.
          </p>
          <pre class="plan" tabindex={0} role="group" aria-label="The plan">
            {visible(report.run.plan).trimEnd()}
          </pre>
        </div>
      </section>
      <section aria-labelledby="check-title">
        <div class="wide">
          <h2 id="check-title">Check us</h2>
          <p>
            A digest is the SHA-256 of a tensor's bytes alone: little-endian, C order. Nothing of ours is needed to
            check one.
          </p>
          {byHand ? (
            <>
              <p>From this page alone, the digest of {byHand.what}:</p>
              <pre tabindex={0}>{byHand.command}</pre>
            </>
          ) : null}
          {found ? (
            <>
              <p>With the tensors exported, a digest and the first difference of one divergence:</p>
              <pre tabindex={0}>{exportCommands(report, found)}</pre>
            </>
          ) : null}
          <p>
            Every figure of <code>report.json</code> is recomputed by the script in{' '}
            <code>docs/verify-with-numpy.md</code>, which uses Python and numpy and no code of ours.
          </p>
        </div>
      </section>
    </>
  )
}

/** A small output whose bits stand in the report. */
function checkFromThisPage({ cells }: Report): { what: string; command: string } | undefined {
  for (const { workload, condition, outputs } of cells) {
    const output = outputs.find(({ bits }) => bits !== undefined && bits.length > 0 && bits.length <= 4)
    if (!output?.bits) continue
    const hex = Buffer.from(tensorFromBits(output.dtype, output.shape, output.bits).bytes).toString('hex')
    return {
      what: visibleLine(
        `${output.name} of ${workload} under ${condition.backend}, whose bits are ${output.bits.join(' ')}`,
      ),
      command: `python3 -c "import hashlib; print(hashlib.sha256(bytes.fromhex('${hex}')).hexdigest())"\n# ${output.digest.slice(7)}`,
    }
  }
  return undefined
}

const patternTypes: Partial<Record<DType, string>> = { f16: '<u2', bf16: '<u2', f32: '<u4', f64: '<u8' }

function exportCommands(
  { run }: Report,
  { checkpoint, digests: [first, second], element, bits }: Divergence,
): string | undefined {
  if (first === null || second === null) return undefined
  const { name, dtype, shape } = checkpoint
  const [a, b] = [first, second].map((digest) => `artifacts/${tensorFileName(name, dtype, shape, digest)}`)
  const bytes = elementCount(shape) * dtypeBytes[dtype]
  const view = patternTypes[dtype]
  return [
    `bitfleet report ${/^[\w.-]+$/.test(run.id) ? run.id : 'RUN'} --artifacts --out check && cd check`,
    `tail -c ${bytes} ${a} | sha256sum`,
    `# ${first.slice(7)}`,
    `python3 -c "`,
    'import numpy as np',
    `a, b = (np.load(f).reshape(-1)${view ? `.view('${view}')` : ''} for f in ('${a}', '${b}'))`,
    `i = int(np.flatnonzero(a != b)[0]); print(i, ${view ? 'hex(a[i]), hex(b[i])' : 'a[i], b[i]'})"`,
    `# ${element}${view && bits ? ` 0x${bits[0]} 0x${bits[1]}` : ''}`,
  ].join('\n')
}
