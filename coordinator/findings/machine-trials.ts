import { canonicalJson } from '../../shared/canonical-json.ts'
import type { ReportCore } from '../report/format.ts'
import type { ClaimRule, TrialOutcome } from './claim.ts'
import { leastExecutions } from './executions.ts'
import { differingConditions, type MachineCondition, type MachineRow } from './machine-rows.ts'

/** Whether the difference between the machines of a row may be claimed. */
export interface MachineStrength {
  readonly strength: 'claimed' | 'seen'
  /** The least number of executions of a cell behind it, and how many a claim needs. */
  readonly executions: number
  readonly needs: number
}

interface MachineTrial extends TrialOutcome {
  readonly key: string
}

/**
 * Judges differences between machines as those of any other setting (DESIGN §6.4): each condition that two or more
 * machines completed is a trial, with the machines as its cells. The trials of one workload and its parameters are judged
 * together, over its seeds and conditions.
 */
export function machineJudge(
  core: ReportCore,
  conditions: readonly (readonly MachineCondition[])[],
  rule: ClaimRule,
): (row: MachineRow) => MachineStrength {
  const own = conditions.map((all) => all.map(machineTrial))
  const kin = new Map<string, MachineTrial[]>()
  const keys = core.comparisons.map(({ workload, workloadVersion, params }) =>
    canonicalJson([workload, workloadVersion, params]),
  )
  keys.forEach((key, i) => {
    const known = kin.get(key)
    if (known) known.push(...(own[i] ?? []))
    else kin.set(key, [...(own[i] ?? [])])
  })
  return (row) => {
    const trials = kin.get(keys[row.comparison] ?? '') ?? []
    const differing = new Set(differingConditions(row).map(({ key }) => key))
    const partitions = new Set(
      (own[row.comparison] ?? []).filter(({ key }) => differing.has(key)).map(({ partition }) => partition),
    )
    const judged = [...partitions].map((partition) => judgePartition(trials, partition, rule))
    const best = judged.sort(
      (a, b) => Number(a.strength === 'seen') - Number(b.strength === 'seen') || a.needs - b.needs,
    )[0]
    return best ?? { strength: 'seen', executions: 0, needs: rule.needed }
  }
}

function judgePartition(trials: readonly MachineTrial[], partition: string, rule: ClaimRule): MachineStrength {
  const alike = trials.filter((trial) => trial.partition === partition).map(({ executions }) => executions)
  const needs = rule.needs(trials, partition)
  // The rule itself: trials that lack executions do not count, and no least number of executions says the same.
  if (!rule.claims(trials, partition)) return { strength: 'seen', executions: leastOf(alike), needs }
  const executions = leastOf(alike.filter((count) => count >= rule.needed))
  return { strength: 'claimed', executions, needs: Math.min(needs, executions) }
}

function leastOf(counts: readonly number[]): number {
  return counts.reduce((least, count) => Math.min(least, count), Infinity)
}

/**
 * A trial counts as a try even if too few machines are left in it. If some were left out because they, or others, disagree
 * with themselves, each pair of the machines that ran was a chance.
 */
function machineTrial({ key, ran, usable }: MachineCondition): MachineTrial {
  const looks = usable.size === ran ? 1 : (ran * (ran - 1)) / 2
  if (usable.size < 2) return { key, partition: '', executions: 0, looks }
  const groups = new Map<string, number[]>()
  for (const [machine, { letter }] of usable) {
    const group = groups.get(letter)
    if (group) group.push(machine)
    else groups.set(letter, [machine])
  }
  // By the first machine of each, so that equal partitions are equal texts.
  const partition = [...groups.values()].map((group) => group.join(' ')).join('|')
  return { key, partition, executions: leastExecutions([...usable.values()].map(({ cell }) => cell)), looks }
}
