import type { Comparison, Explanation } from '../format.ts'
import { plannedChanges } from '../planned-changes.ts'
import { visibleLine } from '../../../shared/visible.ts'
import {
  absentText,
  chanceText,
  explanationStrength,
  plannedChangeStrength,
  plannedChangeText,
  plural,
  stayedText,
} from '../wording.ts'
import { Letter } from './letter.tsx'
import type { View } from './view.ts'

const maxExplanations = 8
const maxCombinations = 12

/** Observed along with the classes, how strong that is, and plainly nothing where there is nothing. */
export function Explanations({ view, comparison }: { view: View; comparison: Comparison }) {
  return (
    <div>
      <PlannedChanges view={view} comparison={comparison} />
      <Observed comparison={comparison} />
    </div>
  )
}

function Observed({ comparison }: { comparison: Comparison }) {
  const { explanations, classes, unexplained } = comparison
  if (classes.length < 2 && explanations.length === 0) return null
  if (explanations.length === 0) {
    return (
      <section class="why unexplained">
        <h4>Observed: unexplained</h4>
        <p>
          {capital(visibleLine(unexplained ?? 'no set of up to three recorded facts parts the cells as their bits do'))}
          . The cause is not among the facts recorded, or takes more of them than were searched.
        </p>
      </section>
    )
  }
  const [first, ...rest] = explanations
  return (
    <section class="why">
      <h4>Observed along with the classes</h4>
      <OneExplanation explanation={first as Explanation} comparison={comparison} />
      {rest.length > 0 ? (
        <details>
          <summary>{plural(rest.length, 'other explanation')} of the same classes</summary>
          {rest.slice(0, maxExplanations).map((explanation) => (
            <OneExplanation explanation={explanation} comparison={comparison} />
          ))}
          {rest.length > maxExplanations ? (
            <p class="quiet">And {rest.length - maxExplanations} more, in report.json.</p>
          ) : null}
        </details>
      ) : null}
      <p class="strength">
        <b>Strength of the claim.</b> {explanationStrength}
      </p>
    </section>
  )
}

/** What the plan itself tested: an experiment, so it stands before what was only observed. */
function PlannedChanges({ view, comparison }: { view: View; comparison: Comparison }) {
  const changes = plannedChanges(comparison, view.cells)
  if (changes.length === 0) return null
  const stayed = stayedText(changes)
  return (
    <section class="why tested">
      <h4>Tested by the plan</h4>
      <ul class="plain">
        {changes
          .filter(({ followed }) => followed > 0)
          .map((change) => (
            <li>{visibleLine(plannedChangeText(change))}.</li>
          ))}
        {stayed === '' ? null : <li>{visibleLine(capital(stayed))}.</li>}
      </ul>
      {changes.some(({ followed }) => followed > 0) ? <p class="strength">{plannedChangeStrength}</p> : null}
    </section>
  )
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
}

function OneExplanation({ explanation, comparison }: { explanation: Explanation; comparison: Comparison }) {
  const { facts, equal, inseparable, rivals } = explanation
  const hidden = Object.entries(inseparable).filter(([, others]) => others.length > 0)
  return (
    <div class="explanation">
      <p>
        <FactSet facts={facts} />{' '}
        {equal ? (
          <>
            {facts.length === 1 ? 'parts' : 'together part'} the cells <b>exactly</b> as their bits do.
          </>
        ) : (
          <>
            {facts.length === 1 ? 'parts' : 'together part'} the cells <b>more finely</b> than their bits do: equal
            facts always gave equal bits, different facts did not always give different ones.
          </>
        )}
      </p>
      <ValueTable explanation={explanation} comparison={comparison} />
      <ul class="plain">
        {hidden.map(([fact, others]) => (
          <li>
            Not to be told from <code>{visibleLine(fact)}</code> here: {codes(others.slice(0, 20))}
            {others.length > 20 ? ` and ${others.length - 20} more` : ''}. They part the cells in the same way.
          </li>
        ))}
        <li>
          {rivals === 0
            ? 'No other set of this size explains as well.'
            : `${plural(rivals, 'other set')} of this size ${rivals === 1 ? 'explains' : 'explain'} as well.`}
        </li>
        <li>Chance: {chanceText(explanation)}.</li>
      </ul>
    </div>
  )
}

function FactSet({ facts }: { facts: readonly string[] }) {
  return (
    <>
      {facts.map((fact, i) => (
        <>
          {i === 0 ? '' : i === facts.length - 1 ? ' and ' : ', '}
          <code class="fact">{visibleLine(fact)}</code>
        </>
      ))}
    </>
  )
}

function codes(facts: readonly string[]) {
  return facts.map((fact, i) => (
    <>
      {i > 0 ? ', ' : ''}
      <code>{visibleLine(fact)}</code>
    </>
  ))
}

/** The facts' values in each class. */
function ValueTable({
  explanation: { facts, values },
  comparison,
}: {
  explanation: Explanation
  comparison: Comparison
}) {
  const rows = comparison.classes.flatMap(({ letter }, index) => {
    const combinations = values[letter] ?? []
    return combinations.slice(0, maxCombinations).map((combination, i) => ({
      letter,
      index,
      combination,
      span: i === 0 ? Math.min(combinations.length, maxCombinations) : 0,
      more: i === maxCombinations - 1 ? combinations.length - maxCombinations : 0,
    }))
  })
  if (rows.length === 0) return null
  return (
    <div class="scroll" tabindex={0} role="group" aria-label={`Values of ${visibleLine(facts.join(', '))} by class`}>
      <table class="list values">
        <thead>
          <tr>
            <th scope="col">Class</th>
            {facts.map((fact) => (
              <th scope="col">
                <code>{visibleLine(fact)}</code>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ letter, index, combination, span, more }) => (
            <tr>
              {span > 0 ? (
                <th scope="row" rowspan={span}>
                  <Letter letter={letter} index={index} />
                </th>
              ) : null}
              {facts.map((fact) => (
                <td>
                  <code>{visibleLine(combination[fact] ?? absentText(fact))}</code>
                  {more > 0 ? <span class="quiet"> and {more} more</span> : null}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
