import { canonicalJson } from '../../shared/canonical-json.ts'
import { groupBy } from '../../shared/group-by.ts'
import { visible } from '../../shared/visible.ts'
import type { Comparison, Divergence, Report, ReportCell } from './format.ts'
import { kindText } from './kind-text.ts'
import { agentNames, checkpointText, conditionText, elementText, failureText } from './wording.ts'

interface Placed {
  readonly comparison: Comparison | undefined
  readonly letter: string
  readonly compared: boolean
  /** Where the cell leaves the class before it, or disagrees with itself. */
  readonly divergence: Divergence | undefined
  /** What the report must say of this cell. */
  readonly notices: readonly string[]
  /** What the cell says of itself, and its twin. */
  readonly self: string
  /** Whether its machine is the odd one of its row; undefined if that cannot be told. */
  readonly odd: boolean | undefined
}

const columns: Record<string, (cell: ReportCell, placed: Placed, agentName: string) => string | number> = {
  cell: ({ id }) => id,
  agent: ({ agent }) => agent,
  agent_name: (_cell, _placed, agentName) => agentName,
  workload: ({ workload }) => workload,
  workload_version: ({ workloadVersion }) => workloadVersion,
  params: ({ params }) => canonicalJson(params),
  seed: ({ seed }) => seed,
  condition: ({ condition }) => conditionText(condition),
  backend: ({ condition }) => condition.backend,
  backend_version: ({ condition }) => condition.version ?? '',
  device: ({ condition }) => condition.device,
  label: ({ condition }) => condition.label,
  knobs: ({ condition }) => canonicalJson(condition.knobs),
  effective: ({ condition }) => canonicalJson(condition.effective),
  settings: ({ condition }) => (condition.settings ? canonicalJson(condition.settings) : ''),
  ambient: ({ ambient }) => (ambient ? canonicalJson(ambient) : ''),
  status: ({ status }) => status,
  why: (cell) => (cell.status === 'completed' ? '' : failureText(cell)),
  lack: ({ lack }) => lack ?? '',
  verdict: (_cell, { comparison }) => comparison?.verdict ?? '',
  compared: (_cell, { compared }) => yesNo(compared),
  class: (_cell, { letter }) => letter,
  odd_machine: (_cell, { odd }) => yesNo(odd),
  inputs_equal: (_cell, { comparison }) => yesNo(comparison?.inputsEqual),
  differs_from: (_cell, { divergence }) => divergence?.classes[0] ?? '',
  differs_at: (_cell, { divergence }) => (divergence ? checkpointText(divergence) : ''),
  differs_element: (_cell, { divergence }) => (divergence ? elementText(divergence.indices, divergence.element) : ''),
  differs_bits: (_cell, { divergence }) => divergence?.bits?.join(' ') ?? '',
  differs_ulp: (_cell, { divergence }) => divergence?.ulp ?? '',
  differs_kind: (_cell, { divergence }) => (divergence?.statistics ? kindText(divergence.statistics) : ''),
  self: (_cell, { self }) => self,
  notices: (_cell, { notices }) => notices.join(' | '),
  repetitions: ({ repetitions }) => repetitions,
  completed: ({ traces }) => traces.filter((trace) => trace !== null).length,
  distinct_traces: ({ traces }) => new Set(traces.filter((trace) => trace !== null)).size,
  traces: ({ traces }) => [...new Set(traces.filter((trace) => trace !== null))].join(' '),
  outputs: ({ outputs }) => outputs.map(({ name, digest }) => `${name}=${digest}`).join(' '),
  wall_ms: ({ resources }) => resources.wallMs,
  cpu_ms: ({ resources }) => resources.cpuMs ?? '',
  max_rss_bytes: ({ resources }) => resources.maxRssBytes ?? '',
}

/** Empty: not known. */
function yesNo(value: boolean | null | undefined): string {
  return value === true ? 'yes' : value === false ? 'no' : ''
}

/**
 * One row a cell, RFC 4180. Text that a spreadsheet would take for a formula is led by an apostrophe. Characters that a
 * screen would obey or hide are shown as what they are: NUL as ␀.
 */
export function renderCsv(report: Report): string {
  const places = placesOf(report)
  const names = agentNames(report)
  const nowhere: Placed = {
    comparison: undefined,
    letter: '',
    compared: false,
    divergence: undefined,
    notices: [],
    self: '',
    odd: undefined,
  }
  const rows = report.cells.map((cell) => {
    const placed = places.get(cell.id) ?? nowhere
    return Object.values(columns).map((read) => field(read(cell, placed, names.get(cell.agent) ?? '')))
  })
  return [Object.keys(columns), ...rows].map((row) => `${row.join(',')}\r\n`).join('')
}

function placesOf({ cells, comparisons, findings }: Report): Map<string, Placed> {
  const places = new Map<string, Placed>()
  const notices = new Map<string, string[]>()
  for (const { heading, text, examples, places: all } of findings.notices) {
    for (const id of all?.flatMap((i) => cells[i]?.id ?? []) ?? examples) {
      const own = notices.get(id) ?? []
      own.push(`${heading}: ${text}`)
      notices.set(id, own)
    }
  }
  const selves = new Map(
    findings.self.map(({ cell, text, twin }) => [cell, twin === undefined ? text : `${text}; ${twin.text}`]),
  )
  const byId = new Map(cells.map((cell) => [cell.id, cell]))
  const odd = oddMachines(findings)
  comparisons.forEach((comparison, index) => {
    const compared = new Set(comparison.compared)
    const place = (ids: readonly string[], letter: string, divergence?: Divergence | null) => {
      for (const id of ids) {
        // A cell of which some executions completed is in a class, and among the incomplete ones too.
        if (places.has(id)) continue
        const cell = byId.get(id)
        places.set(id, {
          comparison,
          letter,
          compared: compared.has(id),
          divergence: divergence ?? undefined,
          notices: notices.get(id) ?? [],
          self: selves.get(id) ?? '',
          odd: cell && odd(index, cell),
        })
      }
    }
    for (const { letter, cells: ids } of comparison.classes) {
      place(
        ids,
        letter,
        comparison.divergences.find(({ classes }) => classes[1] === letter),
      )
    }
    for (const { cell, divergence } of comparison.nondeterministic) place([cell], '~', divergence)
    place([...comparison.inapplicable, ...comparison.absent, ...comparison.incomplete], '')
  })
  return places
}

/**
 * Whether a cell's machine is the odd one of its row. Undefined if that cannot be told: it was not compared there with
 * another machine, or the machines differ and no class holds more than half of them.
 */
function oddMachines({ machines: { machines, rows } }: Report['findings']) {
  const place = new Map(machines.map(({ agent, device }, i) => [`${agent} ${device ?? 'cpu'}`, i]))
  const byComparison = groupBy(rows, ({ comparison }) => String(comparison))
  const untold = new Set(
    rows.filter(({ odd, letters }) => odd.length === 0 && new Set(letters.filter((one) => one !== null)).size > 1),
  )
  return (comparison: number, { agent, condition }: ReportCell): boolean | undefined => {
    const at = place.get(`${agent} ${condition.device}`)
    if (at === undefined) return undefined
    // Machines that share different conditions have several rows here.
    const own = (byComparison.get(String(comparison)) ?? []).filter(({ letters }) => letters[at] !== null)
    if (own.some(({ odd }) => odd.includes(at))) return true
    return own.length === 0 || own.some((row) => untold.has(row)) ? undefined : false
  }
}

function field(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const text = visible(value)
  // Spreadsheets skip leading white space before they look for a formula's sign; full-width signs count too.
  const guarded = /^[\s\u00a0]*[=+\-@＝＋－＠]|^[\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded
}
