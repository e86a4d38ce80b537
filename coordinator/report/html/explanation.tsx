import { visibleLine } from '../../../shared/visible.ts'
import type { Comparison, Explanation } from '../format.ts'
import { absentText } from '../wording.ts'
import { Letter } from './letter.tsx'
import type { View } from './view.ts'

const maxExplanations = 4
const maxCombinations = 12

/** What the plan tested and what was observed, in the words of the findings. */
export function Explanations({ view, comparison, index }: { view: View; comparison: Comparison; index: number }) {
  return (
    <div>
      <Tested view={view} index={index} />
      <Observed view={view} comparison={comparison} index={index} />
    </div>
  )
}

/** An experiment, so it stands before what was only observed. */
function Tested({ view, index }: { view: View; index: number }) {
  const tested = view.report.findings.settings.filter(({ rows }) => rows.includes(index))
  if (tested.length === 0) return null
  return (
    <section class="why tested">
      <h4>Tested by the plan</h4>
      <ul class="plain">
        {tested.map(({ text, outcome, strength }) => (
          <li class={`${outcome} ${strength ?? ''}`}>{visibleLine(text)}.</li>
        ))}
      </ul>
    </section>
  )
}

function Observed({ view, comparison, index }: { view: View; comparison: Comparison; index: number }) {
  const causes = view.report.findings.causes.filter(({ rows }) => rows.includes(index))
  if (causes.length === 0) return null
  return (
    <section class="why">
      <h4>Observed</h4>
      <ul class="plain">
        {causes.map(({ text, headlined }) => (
          <li class={headlined ? 'claimed' : 'seen'}>{visibleLine(text)}.</li>
        ))}
      </ul>
      {comparison.explanations
        .filter(({ facts }) => causes.some((cause) => facts.every((fact, i) => cause.facts[i]?.[0] === fact)))
        .slice(0, maxExplanations)
        .map((explanation) => (
          <ValueTable explanation={explanation} comparison={comparison} />
        ))}
    </section>
  )
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
