import { groupBy } from '../../shared/group-by.ts'
import type { Comparison } from '../report/format.ts'
import { paramsText } from '../report/wording.ts'

/** What to call each row beside the others: by its workload, and by what tells it from others of that id. Seeds stand apart. */
export function shortNames(comparisons: readonly Comparison[]): (index: number) => string {
  const telling = new Map(
    [...groupBy(comparisons, ({ workload }) => workload)].map(([id, own]) => [id, tellingOf(own)]),
  )
  return (index) => {
    const { workload, workloadVersion, params } = comparisons[index] as Comparison
    const { versions, keys } = telling.get(workload) as Telling
    const own = Object.entries(params).filter(([key]) => keys.has(key))
    const id = versions ? `${workload}@${workloadVersion}` : workload
    return own.length === 0 ? id : `${id} ${paramsText(Object.fromEntries(own))}`
  }
}

interface Telling {
  /** Whether there is more than one version. */
  readonly versions: boolean
  /** Parameters that do not have one value in all of them. */
  readonly keys: ReadonlySet<string>
}

function tellingOf(alike: readonly Comparison[]): Telling {
  const values = groupBy(
    alike.flatMap(({ params }) => Object.entries(params)),
    ([key]) => key,
  )
  const keys = [...values].flatMap(([key, entries]) => {
    const distinct = new Set(entries.map(([, value]) => JSON.stringify(value)))
    return distinct.size > 1 || entries.length < alike.length ? [key] : []
  })
  return { versions: new Set(alike.map(({ workloadVersion }) => workloadVersion)).size > 1, keys: new Set(keys) }
}
