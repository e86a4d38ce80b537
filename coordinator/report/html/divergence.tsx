import { isFloat } from '../../../shared/tensor.ts'
import type { Comparison, Divergence, ElementComparison } from '../format.ts'
import { visibleLine } from '../../../shared/visible.ts'
import { differenceText, hasDistances, kindText, normFigure, ulpFigure } from '../kind-text.ts'
import { churnText, extentText } from '../measured.ts'
import { elementText, grouped, percent, plural } from '../wording.ts'
import { Bits } from './bits.tsx'
import { Growth } from './growth.tsx'
import { Histogram } from './histogram.tsx'
import { Letter } from './letter.tsx'

type Names = readonly [string, string]

function classIndex(comparison: Comparison | undefined, letter: string): number | undefined {
  const index = comparison?.classes.findIndex((found) => found.letter === letter) ?? -1
  return index < 0 ? undefined : index
}

/** One line: which classes, where, how far. */
export function DivergenceLine({ divergence, comparison }: { divergence: Divergence; comparison: Comparison }) {
  const { classes, checkpoint, element } = divergence
  return (
    <span class="line">
      <Letter letter={classes[0]} index={classIndex(comparison, classes[0])} />
      <Letter letter={classes[1]} index={classIndex(comparison, classes[1])} />
      <span>
        differ at <code>{visibleLine(checkpoint.name)}</code>
        <span class="quiet"> step {grouped(checkpoint.step)}</span>
      </span>
      <span class="number">{element === null ? '' : differenceText(divergence)}</span>
    </span>
  )
}

export interface DivergenceProps {
  readonly divergence: Divergence
  /** Unique in the page. */
  readonly id: string
  /** What the two sides are called. */
  readonly names: Names
  readonly comparison?: Comparison
}

export function DivergenceDetail({ divergence, id, names, comparison }: DivergenceProps) {
  const { checkpoint, bits, values, statistics, growth } = divergence
  const { seq, step, name, dtype, shape } = checkpoint
  const where = elementText(divergence.indices, divergence.element)
  return (
    <div class="detail">
      <p>
        First difference: checkpoint {grouped(seq)}, <code>{visibleLine(name)}</code> at step {grouped(step)},{' '}
        <code>
          {dtype}[{shape.join(', ')}]
        </code>
        {divergence.element === null
          ? '.'
          : `, ${where}${shape.length > 1 ? ` (number ${grouped(divergence.element)} in C order)` : ''}.`}{' '}
        <span class="quiet">Found in {plural(divergence.comparisons, 'comparison')} of prefix digests.</span>
      </p>
      {divergence.missing ? (
        <p class="caution">The tensors were not looked into: {visibleLine(divergence.missing)}</p>
      ) : null}
      {bits && values ? (
        <Bits
          dtype={dtype}
          bits={bits}
          values={values}
          difference={differenceText(divergence)}
          names={names}
          label={`Bit patterns of ${where}`}
        />
      ) : null}
      <div class="columns">
        <div>
          {statistics ? <Statistics statistics={statistics} /> : null}
          <Extent divergence={divergence} />
          <Digests digests={divergence.digests} names={names} />
        </div>
        {statistics && isFloat(dtype) ? (
          <Histogram statistics={statistics} id={`${id}-h`} title={`ULP distances in ${name}`} />
        ) : null}
      </div>
      {growth.length > 0 ? <Growth growth={growth} id={`${id}-g`} from={step} note={divergence.growthNote} /> : null}
      <Outputs divergence={divergence} id={id} {...(comparison ? { comparison } : {})} />
    </div>
  )
}

function Digests({ digests, names }: { digests: Divergence['digests']; names: Names }) {
  return (
    <p class="digests quiet">
      Tensor digests:
      {digests.map((digest, i) => (
        <span>
          {' '}
          {names[i]} {digest === null ? 'has no such checkpoint' : <code class="digest">{digest}</code>}
        </span>
      ))}
    </p>
  )
}

/** The tensor as a whole, in figures. */
function Statistics({ statistics }: { statistics: ElementComparison }) {
  const { elements, unequal } = statistics
  const distances = hasDistances(statistics)
  const figures: [string, string][] = []
  if (elements > 1)
    figures.push(['Unequal elements', `${grouped(unequal)} of ${grouped(elements)} (${percent(unequal / elements)})`])
  const kind = kindText(statistics)
  if (kind !== '') figures.push(['Kind of difference', kind])
  if (elements > 1 && distances) figures.push(['Largest distance', ulpFigure(statistics)])
  if (distances) figures.push(['Relative L2', normFigure(statistics)])
  return (
    <dl class="facts">
      {figures.map(([term, text]) => (
        <div>
          <dt>{term}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  )
}

/** How much of the rest of the trace differs, and whether it mattered to any decision. */
function Extent({ divergence }: { divergence: Divergence }) {
  return <p>{[extentText(divergence), churnText(divergence)].filter((text) => text !== '').join('; ')}.</p>
}

function Outputs({ divergence, id, comparison }: { divergence: Divergence; id: string; comparison?: Comparison }) {
  const { outputs } = divergence
  if (outputs.length === 0) return null
  const where = comparison ? ` of ${visibleLine(comparison.workload)}` : ''
  return (
    <details class="aside">
      <summary>Final tensors that differ: {outputs.length}</summary>
      <div class="scroll" tabindex={0} role="group" aria-label={`Final tensors${where} that differ, ${id}`}>
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Tensor</th>
              <th scope="col" class="number">
                Unequal
              </th>
              <th scope="col" class="number">
                Largest ULP
              </th>
              <th scope="col" class="number">
                Relative L2
              </th>
              <th scope="col">Digests</th>
            </tr>
          </thead>
          <tbody>
            {outputs.map(({ name, digests, statistics, missing }) => (
              <tr>
                <th scope="row">
                  <code>{visibleLine(name)}</code>
                </th>
                <td class="number">
                  {statistics
                    ? `${grouped(statistics.unequal)} of ${grouped(statistics.elements)}`
                    : (missing ?? 'not kept')}
                </td>
                <td class="number">{statistics && hasDistances(statistics) ? ulpFigure(statistics) : ''}</td>
                <td class="number">{statistics && hasDistances(statistics) ? normFigure(statistics) : ''}</td>
                <td>
                  <code class="digest">{digests[0]}</code>
                  <br />
                  <code class="digest">{digests[1]}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
