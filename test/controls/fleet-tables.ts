import { triedAtMost } from '../../coordinator/explain/assignments.ts'
import { canShowCause, waysToPart } from '../../coordinator/explain/ways.ts'
import { blurredUpdates, type FleetKind, noiseFleets, plainUpdate } from './fleets.ts'
import { noisyWorkloads, updatedWorkloads, type WorkloadsKind } from './many-workloads.ts'
import type { FleetTally } from './measure.ts'
import { markdownTable } from './write-section.ts'

// Tables for docs/controls.md. They are written between markers, so that the text around them stays.

const sizes = [8, 12, 20, 50]

interface FleetRow {
  readonly kind: FleetKind
  readonly size: number
}

const rowsOf = (kinds: readonly FleetKind[]): FleetRow[] =>
  kinds.flatMap((kind) => sizes.map((size) => ({ kind, size })))
const updateRows = rowsOf([plainUpdate, ...blurredUpdates])
const noiseRows = rowsOf(noiseFleets)

/** All kinds and sizes that are measured: the updated fleets first. */
export const fleetRows: readonly FleetRow[] = [...updateRows, ...noiseRows]

/** The table of fleets without a cause: how often one is headlined all the same. @param tallies of `fleetRows` */
export function noiseTable(tallies: readonly FleetTally[]): string {
  return markdownTable(
    ['noise fleet', 'machines', 'fleets', 'headlined a cause', 'smallest set has a chance of at most 5 %'],
    noiseRows.map(({ kind, size }, i) => {
      const { fleets, headlined, unlikely } = tallies[updateRows.length + i] as FleetTally
      return [kind.name, String(size), String(fleets), share(headlined, fleets), share(unlikely, fleets)]
    }),
  )
}

/** The table of fleets with a cause: how often it is found. @param tallies of `fleetRows` */
export function updateTable(tallies: readonly FleetTally[]): string {
  return markdownTable(
    ['updated fleet', 'machines', 'fleets', 'headlined the update', 'headlined something else'],
    updateRows.map(({ kind, size }, i) => {
      const { fleets, headlined, found } = tallies[i] as FleetTally
      return [kind.name, String(size), String(fleets), share(found, fleets), share(headlined - found, fleets)]
    }),
  )
}

export interface WorkloadsRow {
  readonly kind: WorkloadsKind
  readonly size: number
}

const workloadsSizes = [12, 20]
const workloadsRowsOf = (kinds: readonly WorkloadsKind[]): WorkloadsRow[] =>
  kinds.flatMap((kind) => workloadsSizes.map((size) => ({ kind, size })))
const noisyRows = workloadsRowsOf(noisyWorkloads)
const updatedRows = workloadsRowsOf(updatedWorkloads)

/** All kinds and sizes of fleets with many workloads: those without a cause first. */
export const workloadsRows: readonly WorkloadsRow[] = [...noisyRows, ...updatedRows]

/** The section of fleets with many workloads. @param tallies of `workloadsRows` */
export function workloadsSection(tallies: readonly FleetTally[]): string {
  const of = ({ kind, size }: WorkloadsRow, { fleets }: FleetTally) => [
    ...[kind.name, String(kind.workloads), String(kind.facts), String(size), String(fleets)],
  ]
  const head = (name: string) => [name, 'workloads', 'facts', 'machines', 'fleets']
  const noisy = noisyRows.map((row, i) => {
    const tally = tallies[i] as FleetTally
    return [...of(row, tally), share(tally.headlined, tally.fleets)]
  })
  const updated = updatedRows.map((row, i) => {
    const tally = tallies[noisyRows.length + i] as FleetTally
    const { fleets, found, headlined } = tally
    return [...of(row, tally), share(found, fleets), share(headlined - found, fleets)]
  })
  return [
    markdownTable([...head('noise fleet'), 'headlined a cause'], noisy),
    'The same with a cause: a coin updates each machine, and nothing else differs.',
    markdownTable([...head('updated fleet'), 'headlined the update', 'headlined something else'], updated),
  ].join('\n\n')
}

/** What a number of machines can show at all: the smallest chance that a perfect match can have. */
export function reachTable(): string {
  const odd = [1, 2, 3, 4]
  const rows = [2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 19, 20, 30, 50, 100].map((n) => {
    const half = Math.floor(n / 2)
    const third = Math.floor(n / 3)
    const classes = [
      ...odd.map((k) => (k <= half ? [n - k, k] : undefined)),
      [n - half, half],
      n >= 3 ? [n - 2 * third, third, third] : undefined,
    ]
    return [String(n), ...classes.map((all) => (all ? reach(all) : ''))]
  })
  return markdownTable(['machines', ...odd.map((k) => (k === 1 ? 'one odd' : `${k} odd`)), 'halves', 'thirds'], rows)
}

/** In brackets if it is above 5 %: then a report gives no figure. */
function reach(classes: readonly number[]): string {
  const ways = waysToPart(classes)
  const chance = 1 / Math.min(Number(ways), triedAtMost)
  const text = `${Number((100 * chance).toPrecision(2))} %`
  return canShowCause(ways) ? text : `(${text})`
}

function share(count: number, all: number): string {
  return `${((100 * count) / all).toFixed(1)} %`
}
