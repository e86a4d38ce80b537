import type { Comparison } from '../format.ts'
import { inputsText, referenceColumn, referenceText } from '../measured.ts'
import { type Members, membersInShort } from '../matrix.ts'
import { visibleLine } from '../../../shared/visible.ts'
import { agreementShort, conditionText, failureText, grouped, paramsText, plural } from '../wording.ts'
import { DivergenceDetail, DivergenceLine } from './divergence.tsx'
import { Explanations } from './explanation.tsx'
import { Letter, VerdictBadge } from './letter.tsx'
import type { View } from './view.ts'

export interface WorkloadProps {
  readonly view: View
  readonly comparison: Comparison
  /** Place in `report.comparisons`: the section's address. */
  readonly index: number
}

/** Divergences of one workload drawn in full; report.json has them all. */
const maxDivergences = 24
const maxNondeterministic = 24
const maxMembers = 24
const maxAgents = 8

export function WorkloadSection({ view, comparison, index }: WorkloadProps) {
  const { workload, workloadVersion, params, seed, verdict, divergences, nondeterministic, selfConsistency } =
    comparison
  const expected = view.report.findings.rows[index]?.expected
  const described = view.report.workloads.find(({ id }) => id === workload)
  return (
    <article class="workload" id={`w${index}`} aria-labelledby={`w${index}-title`}>
      <header>
        <h3 id={`w${index}-title`}>
          {visibleLine(workload)} <span class="params">{visibleLine(paramsText(params))}</span>
        </h3>
        <VerdictBadge verdict={verdict} />
        {expected ? <span class="quiet">{expected.met ? 'as expected' : 'not as expected'}</span> : null}
      </header>
      <p class="quiet">
        {described ? `${visibleLine(described.title)}. ` : ''}
        Version {workloadVersion}, seed {visibleLine(seed)}.{' '}
        {selfConsistency ? agreementShort(selfConsistency) : 'No cell completed and agreed with itself.'}
      </p>
      {comparison.inputsEqual !== false ? null : (
        <p class="caution">
          <b>The inputs differ between the classes.</b> What follows compares different inputs, not different
          arithmetic.
        </p>
      )}
      {comparison.reference ? <p>{visibleLine(referenceText(comparison.reference, view.cells))}</p> : null}
      {comparison.inputs ? <p class="quiet">{visibleLine(inputsText(comparison.inputs))}</p> : null}
      {comparison.notes?.map((note) => (
        <p class="caution">{visibleLine(note)}</p>
      ))}
      <div class="columns">
        <div>
          <Classes view={view} comparison={comparison} />
          <WithoutClass view={view} comparison={comparison} />
        </div>
        <Explanations view={view} comparison={comparison} index={index} />
      </div>
      {nondeterministic.slice(0, maxNondeterministic).map((self, i) => (
        <section class="divergence">
          <h4>
            <b class="letter nondeterministic">~</b> {visibleLine(selfText(view, index, self.cell))}
          </h4>
          {twinText(view, index, self.cell)}
          {self.divergence && self.distinct > 2 ? (
            <p class="quiet">
              Of the {self.distinct} results, {self.divergence.classes[0]} and {self.divergence.classes[1]} are compared
              here.
            </p>
          ) : null}
          {self.divergence ? (
            <DivergenceDetail divergence={self.divergence} id={`w${index}-s${i}`} names={self.divergence.classes} />
          ) : null}
        </section>
      ))}
      {nondeterministic.length > maxNondeterministic ? (
        <p class="quiet">
          And {plural(nondeterministic.length - maxNondeterministic, 'more such cell')}, in report.json.
        </p>
      ) : null}
      {divergences.slice(0, maxDivergences).map((divergence, i) => (
        <details class="divergence" open={i === 0}>
          <summary>
            <DivergenceLine divergence={divergence} comparison={comparison} />
          </summary>
          <DivergenceDetail
            divergence={divergence}
            id={`w${index}-d${i}`}
            names={divergence.classes}
            comparison={comparison}
          />
        </details>
      ))}
      {divergences.length > maxDivergences ? (
        <p class="quiet">And {plural(divergences.length - maxDivergences, 'more branching')}, in report.json.</p>
      ) : null}
    </article>
  )
}

function selfText(view: View, index: number, cell: string): string {
  return view.report.findings.self.find((self) => self.comparison === index && self.cell === cell)?.text ?? cell
}

/** How a cell that repeats differs from this one. */
function twinText(view: View, index: number, cell: string) {
  const twin = view.report.findings.self.find((self) => self.comparison === index && self.cell === cell)?.twin
  return twin ? <p>{visibleLine(twin.text)}.</p> : null
}

function conditionOf(view: View, id: string): string {
  const cell = view.cells.get(id)
  if (!cell) return visibleLine(id)
  const agent = view.severalAgents ? ` on ${view.names.get(cell.agent) ?? cell.agent}` : ''
  return visibleLine(`${conditionText(cell.condition)}${agent}`)
}

/** Classes with their members and the digest their traces share. */
function Classes({ view, comparison }: { view: View; comparison: Comparison }) {
  if (comparison.classes.length === 0) return null
  const { reference } = comparison
  const membersOf = membersInShort(comparison, view.cells)
  return (
    <div class="scroll" tabindex={0} role="group" aria-label={`Classes of ${visibleLine(comparison.workload)}`}>
      <table class="list classes">
        <thead>
          <tr>
            <th scope="col">Class</th>
            <th scope="col">Conditions</th>
            <th scope="col" class="number">
              Cells
            </th>
            {reference ? <th scope="col">From the correctly rounded</th> : null}
            <th scope="col">Trace digest</th>
          </tr>
        </thead>
        <tbody>
          {comparison.classes.map(({ letter, trace, cells }, i) => (
            <tr>
              <th scope="row">
                <Letter letter={letter} index={i} />
              </th>
              <td>
                <MemberList view={view} members={membersOf(cells)} />
              </td>
              <td class="number">{grouped(cells.length)}</td>
              {reference ? <td>{referenceColumn(reference, letter)}</td> : null}
              <td>
                <code class="digest">{trace}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface MemberListProps {
  readonly view: View
  readonly members: readonly Members[]
}

function MemberList({ view, members }: MemberListProps) {
  return (
    <ul class="members">
      {members.slice(0, maxMembers).map(({ condition, agents }) => (
        <li>
          {visibleLine(condition)}
          {view.severalAgents ? <span class="quiet"> on {agentsText(view, agents)}</span> : null}
        </li>
      ))}
      {members.length > maxMembers ? (
        <li class="quiet">and {plural(members.length - maxMembers, 'more condition')}</li>
      ) : null}
    </ul>
  )
}

function agentsText(view: View, agents: readonly string[]): string {
  const names = agents.slice(0, maxAgents).map((id) => visibleLine(view.names.get(id) ?? id))
  const more = agents.length - names.length
  return `${names.join(', ')}${more > 0 ? ` and ${plural(more, 'other agent')}` : ''}`
}

/** Cells that could not be compared, said where they are missed. */
function WithoutClass({ view, comparison }: { view: View; comparison: Comparison }) {
  const line = (ids: readonly string[], sign: string, name: string) => {
    if (ids.length === 0) return null
    const groups = new Map<string, string[]>()
    for (const id of ids) {
      const cell = view.cells.get(id)
      const why = cell ? failureText(cell) : 'not in the report'
      groups.set(why, [...(groups.get(why) ?? []), id])
    }
    return [...groups].slice(0, maxMembers).map(([why, members]) => (
      <li>
        <b class={`letter ${name}`}>{sign}</b>{' '}
        {members
          .slice(0, maxAgents)
          .map((id) => conditionOf(view, id))
          .join('; ')}
        {members.length > maxAgents ? ` and ${members.length - maxAgents} more` : ''}: {visibleLine(why)}
      </li>
    ))
  }
  const { incomplete, absent, inapplicable } = comparison
  if (incomplete.length + absent.length + inapplicable.length === 0) return null
  return (
    <ul class="plain without">
      {line(incomplete, '✕', 'failed')}
      {line(absent, '∅', 'lacking')}
      {line(inapplicable, '–', 'inapplicable')}
    </ul>
  )
}
