import { type Spread, differingFacts } from '../inventory.ts'
import type { Report } from '../format.ts'
import { visibleLine } from '../../../shared/visible.ts'
import { conditionText, grouped, plural } from '../wording.ts'
import type { View } from './view.ts'

const maxAgentColumns = 6
const maxValues = 12
const maxInventories = 50

/** Facts that differ among agents and among cells, then the inventories whole. */
export function FactsSection({ view }: { view: View }) {
  const { agents, cells } = view.report
  const byAgent = differingFacts(agents.map(({ id, facts }) => ({ id, facts })))
  const byCell = differingFacts(
    cells
      .filter(({ status }) => status === 'completed')
      .map(({ id, facts, condition }) => ({ id, facts: { ...facts, ...effectiveFacts(condition.effective) } })),
  )
  return (
    <section aria-labelledby="facts-title">
      <div class="wide">
        <h2 id="facts-title">Facts that differ</h2>
        {agents.length < 2 ? null : byAgent.size === 0 ? (
          <p>The agents' inventories are the same in every fact.</p>
        ) : (
          <>
            <h3>Between agents</h3>
            {agents.length <= maxAgentColumns ? (
              <AgentTable view={view} spread={byAgent} />
            ) : (
              <SpreadTable spread={byAgent} noun="agent" label="Facts that differ between agents" />
            )}
          </>
        )}
        {byCell.size === 0 ? null : (
          <details class="aside">
            <summary>Between cells: {plural(byCell.size, 'fact')} of conditions and processes</summary>
            <SpreadTable spread={byCell} noun="cell" label="Facts that differ between cells" />
          </details>
        )}
        <h3>Inventories</h3>
        {agents.slice(0, maxInventories).map((agent) => (
          <Inventory agent={agent} name={view.names.get(agent.id) ?? agent.id} />
        ))}
        {agents.length > maxInventories ? (
          <p class="quiet">And {plural(agents.length - maxInventories, 'more agent')}, in report.json.</p>
        ) : null}
        <Resources view={view} />
      </div>
    </section>
  )
}

function effectiveFacts(effective: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(effective).map(([key, value]) => [`effective ${key}`, value]))
}

function AgentTable({ view, spread }: { view: View; spread: ReadonlyMap<string, Spread> }) {
  const { agents } = view.report
  return (
    <div class="scroll tall" tabindex={0} role="group" aria-label="Facts that differ between agents">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Fact</th>
            {agents.map(({ id }) => (
              <th scope="col">{visibleLine(view.names.get(id) ?? id)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[...spread.keys()].map((fact) => (
            <tr>
              <th scope="row">
                <code>{visibleLine(fact)}</code>
              </th>
              {agents.map(({ facts }) => (
                <td>
                  {facts[fact] === undefined ? (
                    <span class="quiet">not recorded</span>
                  ) : (
                    <code>{visibleLine(facts[fact])}</code>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function SpreadTable({ spread, noun, label }: { spread: ReadonlyMap<string, Spread>; noun: string; label: string }) {
  return (
    <div class="scroll tall" tabindex={0} role="group" aria-label={label}>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Fact</th>
            <th scope="col">Values</th>
          </tr>
        </thead>
        <tbody>
          {[...spread].map(([fact, values]) => (
            <tr>
              <th scope="row">
                <code>{visibleLine(fact)}</code>
              </th>
              <td>
                <ul class="members">
                  {[...values].slice(0, maxValues).map(([value, ids]) => (
                    <li>
                      <code>{visibleLine(value)}</code> <span class="quiet">{plural(ids.length, noun)}</span>
                    </li>
                  ))}
                  {values.size > maxValues ? <li class="quiet">and {values.size - maxValues} more</li> : null}
                </ul>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Inventory({ agent, name }: { agent: Report['agents'][number]; name: string }) {
  const labels = Object.entries(agent.labels).map(([key, value]) => `${key}=${value}`)
  const rows = (entries: Readonly<Record<string, string>>) =>
    Object.entries(entries)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => (
        <tr>
          <th scope="row">
            <code>{visibleLine(key)}</code>
          </th>
          <td>
            <code>{visibleLine(value)}</code>
          </td>
        </tr>
      ))
  return (
    <details class="aside">
      <summary>
        {visibleLine(name)}: {plural(Object.keys(agent.facts).length, 'fact')}
        <span class="quiet"> {visibleLine(agent.facts['cpu.brand'] ?? '')}</span>
      </summary>
      <p class="quiet">
        {visibleLine(agent.software)}
        {labels.length > 0 ? `; labels ${visibleLine(labels.join(', '))}` : ''}; backends{' '}
        {agent.backends
          .map(({ id, version, status, reason }) =>
            visibleLine(
              status === 'ready' ? `${id} ${version ?? ''}` : `${id} (unavailable: ${reason ?? 'no reason given'})`,
            ),
          )
          .join(', ')}
      </p>
      <div class="scroll tall" tabindex={0} role="group" aria-label={`Inventory of ${visibleLine(name)}`}>
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Fact</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>{rows(agent.facts)}</tbody>
          <tbody>
            <tr>
              <th scope="rowgroup" colspan={2} class="quiet">
                Attributes: shown, never used to explain
              </th>
            </tr>
            {rows(agent.attributes)}
          </tbody>
        </table>
      </div>
    </details>
  )
}

/** Time and memory are no bits; they stand here, apart from everything compared. */
function Resources({ view }: { view: View }) {
  const slowest = view.report.cells
    .filter(({ status }) => status === 'completed')
    .toSorted((a, b) => b.resources.wallMs - a.resources.wallMs)
    .slice(0, 10)
  if (slowest.length === 0) return null
  return (
    <details class="aside">
      <summary>Time and memory of the slowest cells</summary>
      <div class="scroll" tabindex={0} role="group" aria-label="Time and memory of the slowest cells">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Workload</th>
              <th scope="col">Condition</th>
              <th scope="col" class="number">
                Wall, ms
              </th>
              <th scope="col" class="number">
                CPU, ms
              </th>
              <th scope="col" class="number">
                Memory, MiB
              </th>
            </tr>
          </thead>
          <tbody>
            {slowest.map(({ workload, condition, resources: { wallMs, cpuMs, maxRssBytes } }) => (
              <tr>
                <th scope="row">{visibleLine(workload)}</th>
                <td>{visibleLine(conditionText(condition))}</td>
                <td class="number">{grouped(Math.round(wallMs))}</td>
                <td class="number">{cpuMs === null ? '' : grouped(Math.round(cpuMs))}</td>
                <td class="number">{maxRssBytes === null ? '' : grouped(Math.round(maxRssBytes / 2 ** 20))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
