import { visibleLine } from '../../../shared/visible.ts'
import type { Comparison, MachinesFinding } from '../format.ts'
import { comparisonTitle, grouped, plural } from '../wording.ts'
import { classColour } from './palette.ts'
import type { View } from './view.ts'

/** Beyond these machines a row is a strip, on which the odd ones are marked. */
const maxLettered = 48
const maxRows = 200
const maxNamed = 24

/** Machines × workloads: who agrees, and who is the odd one. */
export function MachinesSection({ view }: { view: View }) {
  const { machines } = view.report.findings
  if (machines.machines.length < 2 || machines.rows.length === 0) return null
  const rows = machines.rows.filter(({ letters }) => new Set(letters.filter((letter) => letter !== null)).size > 1)
  const lettered = machines.machines.length <= maxLettered
  return (
    <section aria-labelledby="machines-title">
      <div class="wide">
        <h2 id="machines-title">Machines</h2>
        {rows.length > 0 ? (
          <>
            <p class="lead">
              Equal letters in a row: equal bits over all conditions that the machines share. A framed letter is the odd
              machine: it is outside a class that holds more than half of them.
            </p>
            <div
              class={`scroll matrix machines ${lettered ? '' : 'strips'}`}
              tabindex={0}
              role="group"
              aria-labelledby="machines-title"
            >
              {lettered ? <Lettered view={view} rows={rows} /> : <Strips view={view} rows={rows} />}
            </div>
          </>
        ) : (
          <p>All of them have equal bits in every workload that they share.</p>
        )}
        <Candidates machines={machines} />
      </div>
    </section>
  )
}

type Rows = MachinesFinding['rows']

/** The odd machines first, so that none is out of sight, then the others in the order of their names. */
function columnsOf({ machines }: MachinesFinding): number[] {
  const places = machines.map((_, i) => i)
  const odd = (i: number) => machines[i]?.odd ?? 0
  return places.toSorted((a, b) => Number(odd(b) > 0) - Number(odd(a) > 0) || a - b)
}

function Lettered({ view, rows }: { view: View; rows: Rows }) {
  const { machines } = view.report.findings
  const columns = columnsOf(machines)
  return (
    <table class="letters">
      <thead>
        <tr>
          <th scope="col" class="corner">
            Workload
          </th>
          {columns.map((i) => (
            <th scope="col" class="knobs">
              <span>{visibleLine(machines.machines[i]?.name ?? '')}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.slice(0, maxRows).map((row) => (
          <tr>
            <RowHead view={view} row={row} />
            {columns.map((i) => {
              const letter = row.letters[i] ?? null
              const odd = row.odd.includes(i)
              return (
                <td class={letter === null ? 'absent' : `${colourOf(letter)}${odd ? ' odd' : ''}`}>
                  {letter ?? ''}
                  {odd ? <span class="hidden"> the odd one</span> : null}
                </td>
              )
            })}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** One strip a row. Where one machine in a thousand is odd, its line is drawn wider than its share. */
function Strips({ view, rows }: { view: View; rows: Rows }) {
  const { machines } = view.report.findings
  const width = machines.machines.length
  const odd = machines.machines.filter((machine) => machine.odd > 0)
  return (
    <table class="strip">
      <caption>
        {plural(width, 'machine')} from left to right in the order of their names. A line marks each odd one
        {odd.length > 0
          ? `: ${odd
              .slice(0, maxNamed)
              .map(({ name }) => visibleLine(name))
              .join(', ')}`
          : ''}
        {odd.length > maxNamed ? ` and ${grouped(odd.length - maxNamed)} more` : ''}.
      </caption>
      <tbody>
        {rows.slice(0, maxRows).map((row) => (
          <tr>
            <RowHead view={view} row={row} />
            <td class="picture">
              <svg viewBox={`0 0 ${width} 1`} preserveAspectRatio="none" aria-hidden="true">
                {stripPaths(row.letters).map(([name, d]) => (
                  <path class={name} d={d} />
                ))}
                <path
                  class="odd-mark"
                  vector-effect="non-scaling-stroke"
                  d={row.odd.map((i) => `M${i + 0.5} 0v1`).join('')}
                />
              </svg>
            </td>
            <td>{countsText(row.letters)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function stripPaths(letters: readonly (string | null)[]): [string, string][] {
  const paths = new Map<string, string>()
  let start = 0
  letters.forEach((letter, i) => {
    if (letters[i + 1] === letter && i + 1 < letters.length) return
    if (letter !== null) {
      const name = colourOf(letter)
      paths.set(name, `${paths.get(name) ?? ''}M${start} 0h${i + 1 - start}v1h-${i + 1 - start}z`)
    }
    start = i + 1
  })
  return [...paths]
}

function countsText(letters: readonly (string | null)[]): string {
  const counts = new Map<string, number>()
  for (const letter of letters) if (letter !== null) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  const said = [...counts].slice(0, 8).map(([letter, count]) => `${letter} ${grouped(count)}`)
  return `${said.join(' · ')}${counts.size > 8 ? ' · …' : ''}`
}

function RowHead({ view, row: { comparison: index, under } }: { view: View; row: Rows[number] }) {
  const comparison = view.report.comparisons[index] as Comparison
  return (
    <th scope="row">
      <a href={`#w${index}`}>{visibleLine(comparisonTitle(comparison, view.withSeed))}</a>
      {under === undefined ? null : <span class="quiet"> {visibleLine(under)}</span>}
    </th>
  )
}

/** A letter's colour: A is the first. */
function colourOf(letter: string): string {
  const place = Array.from(letter).reduce((sum, sign) => sum * 26 + sign.charCodeAt(0) - 64, 0) - 1
  return classColour(place)
}

function Candidates({ machines: { candidates } }: { machines: MachinesFinding }) {
  if (candidates.length === 0) return null
  return (
    <>
      <h3>First to look at</h3>
      <p class="quiet">These differ between the machines just as their bits do. None of them was changed alone.</p>
      <ul class="plain">
        {candidates.map(({ text, kind }) => (
          <li>
            {visibleLine(text)} <span class="quiet">({kind})</span>
          </li>
        ))}
      </ul>
    </>
  )
}
