import { BitfleetError } from '../../../shared/errors.ts'

/** Orders that are steps of rounded additions. */
export type SteppedOrder =
  | { readonly kind: 'sequential' | 'reverse' | 'pairwise' | 'halving' | 'kahan' | 'neumaier' }
  | { readonly kind: 'lanes' | 'chunks' | 'blocks'; readonly count: number }
  | { readonly kind: 'shuffled-chunks'; readonly count: number; readonly seed: string }

/** Orders that give the same bits every time. */
export type SteadyOrder = SteppedOrder | { readonly kind: 'fma' } | { readonly kind: 'exact' }

/** In which order, and with which corrections, the terms of a sum are added. */
export type Order = SteadyOrder | { readonly kind: 'atomic'; readonly count: number }

const count = '[1-9][0-9]{0,5}'

/** Their names as a plan says them. */
export const orderPattern =
  `^(sequential|reverse|pairwise|halving|kahan|neumaier|fma|exact|lanes:${count}|chunks:${count}|blocks:${count}|` +
  `shuffled-chunks:${count}:(0|[1-9][0-9]{0,38})|atomic:([1-9]|[1-5][0-9]|6[0-4]))$`

export const orderValues =
  'sequential, reverse, pairwise, halving, lanes:K, chunks:T, blocks:B, shuffled-chunks:T:SEED, atomic:T (T up to 64), ' +
  'kahan, neumaier, fma, exact'

/** @throws `usage` */
export function parseOrder(text: string): Order {
  if (!new RegExp(orderPattern).test(text)) {
    throw new BitfleetError('usage', `js has no accumulation order "${text}"; it has ${orderValues}`)
  }
  const [kind, parameter, seed] = text.split(':')
  return { kind, ...(parameter && { count: Number(parameter) }), ...(seed && { seed }) } as Order
}

export function formatOrder(order: Order): string {
  return [order.kind, 'count' in order ? order.count : [], 'seed' in order ? order.seed : []].flat().join(':')
}
