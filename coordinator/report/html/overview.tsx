import type { Comparison, Report } from '../format.ts'
import { differenceText } from '../kind-text.ts'
import { plannedChanges } from '../planned-changes.ts'
import { visibleLine } from '../../../shared/visible.ts'
import {
  agreementRange,
  agreementText,
  chanceShort,
  duration,
  grouped,
  listed,
  paramsText,
  percent,
  plural,
  seedsOf,
} from '../wording.ts'
import { Letter, VerdictBadge } from './letter.tsx'
import type { View } from './view.ts'

/** The sentence first, then what was run. */
export function Summary({ report }: { report: Report }) {
  const { run, agents, cells } = report
  const executions = cells.reduce((sum, { traces }) => sum + traces.length, 0)
  const completed = cells.reduce((sum, { traces }) => sum + traces.filter((trace) => trace !== null).length, 0)
  const unsupported = cells.reduce((sum, { status, traces }) => sum + (status === 'unsupported' ? traces.length : 0), 0)
  const seeds = seedsOf(report)
  const elapsed = run.endedAt === undefined ? undefined : Date.parse(run.endedAt) - Date.parse(run.createdAt)
  const facts: [string, string][] = [
    ['Plan', run.name],
    ['Agents', agents.length <= 3 ? listed(agents.map(({ name }) => name)) : grouped(agents.length)],
    ['Workloads', grouped(report.comparisons.length)],
    ['Cells', grouped(cells.length)],
    [
      'Executions',
      completed === executions
        ? grouped(executions)
        : completed + unsupported === executions
          ? `${grouped(completed)}, and ${grouped(unsupported)} unsupported`
          : `${grouped(completed)} of ${grouped(executions)} completed`,
    ],
    [seeds.length === 1 ? 'Seed' : 'Seeds', seeds.length <= 6 ? seeds.join(', ') : `${seeds.length} seeds`],
    ['Duration', elapsed === undefined || Number.isNaN(elapsed) ? run.state : duration(elapsed)],
    ['Began', run.createdAt],
    ['Software', run.software],
    ['Run', run.id],
  ]
  return (
    <section class="summary" aria-labelledby="sentence">
      <div class="wide">
        <VerdictBadge verdict={report.verdict} />
        <h1 id="sentence">{visibleLine(report.sentence)}</h1>
        <dl class="facts">
          {facts.map(([term, text]) => (
            <div>
              <dt>{term}</dt>
              <dd>{visibleLine(text)}</dd>
            </div>
          ))}
        </dl>
        <Agreement report={report} />
      </div>
    </section>
  )
}

function Agreement({ report }: { report: Report }) {
  const range = agreementRange(report)
  if (!range) return null
  const [least, most] = range
  return (
    <details class="aside">
      <summary>
        What agreement of{' '}
        {least.executions === most.executions
          ? plural(least.executions, 'execution')
          : `${least.executions} to ${most.executions} executions`}{' '}
        of a cell shows, and what it does not
      </summary>
      <p>
        {agreementText(least)}
        {least.executions === most.executions
          ? null
          : ` Where cells ran ${most.executions} times, rarer than ${percent(most.otherOutcomesBelow)}.`}
      </p>
      <p>
        Equal bits mean equal bits for these inputs and these settings. They do not show that other inputs would agree,
        nor that the result is accurate. Letters of classes follow the order of the plan: no class is the right one, and
        the largest is not either.
      </p>
    </details>
  )
}

/** One line for each workload that is not identical. */
export function Overview({ view }: { view: View }) {
  const rows = view.report.comparisons.flatMap((comparison, index) =>
    comparison.verdict === 'identical' ? [] : [{ comparison, index }],
  )
  if (rows.length === 0) return null
  return (
    <section aria-labelledby="overview-title">
      <div class="wide">
        <h2 id="overview-title">Where they part, and why</h2>
        <div class="scroll" tabindex={0} role="group" aria-labelledby="overview-title">
          <table class="list overview">
            <thead>
              <tr>
                <th scope="col">Workload</th>
                <th scope="col">Verdict</th>
                <th scope="col">Classes</th>
                <th scope="col">First part at</th>
                <th scope="col">Distance there</th>
                <th scope="col">Changed alone, bits followed</th>
                <th scope="col">Goes along with</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ comparison, index }) => (
                <tr>
                  <th scope="row">
                    <a href={`#w${index}`}>{visibleLine(comparison.workload)}</a>
                    <span class="params">
                      {visibleLine(paramsText(comparison.params))}
                      {view.withSeed ? ` seed=${visibleLine(comparison.seed)}` : ''}
                    </span>
                  </th>
                  <td>
                    <VerdictBadge verdict={comparison.verdict} />
                  </td>
                  <td class="letters">
                    {comparison.classes.slice(0, 12).map(({ letter }, i) => (
                      <Letter letter={letter} index={i} />
                    ))}
                    {comparison.classes.length > 12 ? <span> and {comparison.classes.length - 12} more</span> : null}
                  </td>
                  <Place comparison={comparison} />
                  <td>
                    {plannedChanges(comparison, view.cells)
                      .filter(({ followed }) => followed > 0)
                      .map(({ setting, pairs, followed }) => (
                        <div>
                          <code>{visibleLine(setting)}</code>
                          <span class="quiet">
                            {' '}
                            {grouped(followed)} of {plural(pairs, 'pair')}
                          </span>
                        </div>
                      ))}
                  </td>
                  <td>{whyInShort(comparison)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </section>
  )
}

function Place({ comparison }: { comparison: Comparison }) {
  const first = comparison.divergences.toSorted((a, b) => a.checkpoint.seq - b.checkpoint.seq)[0]
  const self = comparison.nondeterministic[0]
  const divergence = first ?? self?.divergence ?? undefined
  if (!divergence) return <td colspan={2}>{self ? `${self.distinct} results in ${self.executions} executions` : ''}</td>
  return (
    <>
      <td>
        <code>{visibleLine(divergence.checkpoint.name)}</code>
        <span class="quiet"> step {grouped(divergence.checkpoint.step)}</span>
      </td>
      <td class="distance">{divergence.element === null ? 'not known' : differenceText(divergence)}</td>
    </>
  )
}

function whyInShort(comparison: Comparison) {
  const [best] = comparison.explanations
  if (best) {
    if (best.chance > 0.5) return <span class="quiet">nothing beyond chance</span>
    return (
      <>
        {best.facts.map((fact, i) => (
          <>
            {i > 0 ? ' and ' : ''}
            <code>{visibleLine(fact)}</code>
          </>
        ))}
        <span class="quiet">
          {best.rivals > 0 ? ` or ${plural(best.rivals, 'rival')}` : ''}
          {best.chance > 0.05 ? ` (${chanceShort(best)})` : ''}
        </span>
      </>
    )
  }
  if (comparison.verdict === 'nondeterministic') return 'differs from run to run'
  return comparison.classes.length > 1 ? <em>unexplained</em> : ''
}
