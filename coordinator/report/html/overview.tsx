import { visibleLine } from '../../../shared/visible.ts'
import type { Comparison, Report } from '../format.ts'
import { backendTexts, machineTexts } from '../inventory.ts'
import { differenceText } from '../kind-text.ts'
import { duration, grouped, listed, paramsText, plural, seedsOf } from '../wording.ts'
import { Letter, VerdictBadge } from './letter.tsx'
import type { View } from './view.ts'

/** Do the machines agree, then the sentence, then what was run. */
export function Summary({ report }: { report: Report }) {
  const { run, agents, findings } = report
  const { cells, executions, rows } = findings.counts
  const seeds = seedsOf(report)
  const several = findings.machines.machines.length > 1
  const elapsed = run.endedAt === undefined ? undefined : Date.parse(run.endedAt) - Date.parse(run.createdAt)
  const facts: [string, string][] = [
    ['Plan', run.name],
    ['Agents', agents.length <= 3 ? listed(agents.map(({ name }) => name)) : grouped(agents.length)],
    ['Workloads', `${grouped(rows.compared)} compared of ${grouped(rows.total)}`],
    ['Cells', `${grouped(cells.compared)} compared of ${grouped(cells.total)}`],
    ['Executions', `${grouped(executions.completed)} completed of ${grouped(executions.planned)}`],
    [seeds.length === 1 ? 'Seed' : 'Seeds', seeds.length <= 6 ? seeds.join(', ') : `${seeds.length} seeds`],
    ['Duration', elapsed === undefined || Number.isNaN(elapsed) ? run.state : duration(elapsed)],
    ['Began', run.createdAt],
    ['Machines', listed(machineTexts(agents))],
    ['Backends', backendTexts(report.cells).join(', ')],
    ['Software', `${run.software}, report@2`],
    ['Run', run.id],
  ]
  return (
    <section class="summary" aria-labelledby="sentence">
      <div class="wide">
        <VerdictBadge verdict={report.verdict} />
        {several ? <p class="machines-line">{visibleLine(findings.machines.text)}</p> : null}
        <h1 id="sentence">{visibleLine(findings.sentence)}</h1>
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

function Agreement({ report: { findings } }: { report: Report }) {
  if (findings.agreement === null) return null
  const { least, most, text } = findings.agreement
  return (
    <details class="aside">
      <summary>
        What agreement of {least === most ? plural(least, 'execution') : `${least} to ${most} executions`} of a cell
        shows, and what it does not
      </summary>
      <p>{text}</p>
      <p>
        Equal bits mean equal bits for these inputs and these settings. They do not show that other inputs would agree,
        nor that the result is accurate. Letters of classes follow the order of the plan and say nothing about accuracy.
        A class that holds the correctly rounded result is marked.
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
        <h2 id="overview-title">Where they differ, and why</h2>
        <div class="scroll" tabindex={0} role="group" aria-labelledby="overview-title">
          <table class="list overview">
            <thead>
              <tr>
                <th scope="col">Workload</th>
                <th scope="col">Verdict</th>
                <th scope="col">Classes</th>
                <th scope="col">First differ at</th>
                <th scope="col">Distance there, first two classes</th>
                <th scope="col">Tested: the bits followed</th>
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
                    {settingsThatCount(view, index).map(({ setting, trials, followed, strength }) => (
                      <div>
                        <code>{visibleLine(setting)}</code>
                        <span class="quiet">
                          {' '}
                          in {grouped(followed)} of {plural(trials, 'trial')}
                          {strength === 'seen' ? ' (seen, too few executions)' : ''}
                        </span>
                      </div>
                    ))}
                  </td>
                  <td>{whyInShort(view, index)}</td>
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
  const results = self ? `${plural(self.distinct, 'result')} in ${plural(self.executions, 'execution')}` : ''
  if (!divergence) return <td colspan={2}>{results}</td>
  return (
    <>
      <td>
        <code>{visibleLine(divergence.checkpoint.name)}</code>
        <span class="quiet"> step {grouped(divergence.checkpoint.step)}</span>
      </td>
      <td class="distance">
        {first === undefined ? results : divergence.element === null ? 'not known' : differenceText(divergence)}
      </td>
    </>
  )
}

function settingsThatCount(view: View, index: number) {
  return view.report.findings.settings.filter(({ rows, outcome }) => outcome === 'followed' && rows.includes(index))
}

function whyInShort(view: View, index: number) {
  const [cause] = view.report.findings.causes.filter(({ rows }) => rows.includes(index))
  if (cause === undefined) return ''
  return (
    <>
      {cause.facts.map((names, i) => (
        <>
          {i > 0 ? ' and ' : ''}
          <code>{visibleLine(names[0] ?? '')}</code>
          {names.length > 1 ? (
            <span class="quiet"> (not told apart from {plural(names.length - 1, 'other fact')})</span>
          ) : null}
        </>
      ))}
    </>
  )
}
