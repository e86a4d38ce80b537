import type { ReportCell, ReportCore, VariableFinding } from '../report/format.ts'
import { classifyVariable } from '../../shared/environment.ts'
import { agentNames, listed, plural } from '../report/wording.ts'

const words: Record<VariableFinding['kind'], string> = {
  'code path': 'it can select another code path, so these conditions are overrides',
  threads: 'it sets the number of threads',
  devices: 'it chooses devices',
  libraries: 'it chooses libraries',
}

/** Variables of agents' environments that were in force and that no knob set (DESIGN §6.6). By default none is set. */
export function findVariables(core: ReportCore): VariableFinding[] {
  const names = agentNames(core)
  const uses = new Map<string, { variable: string; value: string; cells: ReportCell[] }>()
  const ran = core.cells.filter(({ traces }) => traces.some((trace) => trace !== null))
  for (const cell of ran) {
    for (const [variable, value] of Object.entries(cell.ambient ?? {})) {
      const key = JSON.stringify([variable, value])
      const use = uses.get(key) ?? { variable, value, cells: [] }
      use.cells.push(cell)
      uses.set(key, use)
    }
  }
  return [...uses.values()].flatMap(({ variable, value, cells }): VariableFinding[] => {
    const kind = classifyVariable(variable, value)
    if (kind === undefined) return []
    const agents = [...new Set(cells.map(({ agent }) => agent))]
    const who = agents.length > 3 ? plural(agents.length, 'agent') : listed(agents.map((id) => names.get(id) ?? id))
    const text = `${variable}=${value} was set in the environment of ${who}, not by the plan: ${words[kind]}`
    return [{ variable, value, kind, agents, cells: cells.length, text }]
  })
}
