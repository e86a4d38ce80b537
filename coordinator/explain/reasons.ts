import type { NotHeadlined } from './explain-machines.ts'

const namedAtMost = 3

/** Why an observed set of facts is not named as the cause, in words that follow "because". */
export function reasonText(reason: NotHeadlined): string {
  switch (reason.reason) {
    case 'tooFewMachines':
      return `${reason.machines} machines with such classes cannot show a cause: even a perfect match happens by luck in ${percentText(reason.smallestChance)} of cases`
    case 'bounded':
      return 'counting its chance would take too long'
    case 'chance':
      return `luck explains as well in ${percentText(reason.adjusted)} of cases, corrected for the number of comparisons`
    case 'inseparable': {
      const named = reason.others.slice(0, namedAtMost).join(', ')
      const more = reason.others.length - namedAtMost
      return `${reason.fact} changes together with ${named}${more > 0 ? ` and ${more} more` : ''}`
    }
    case 'twins':
      return `${reason.pairs === 0 ? 'no two machines' : 'only one pair of machines'} with different bits ${reason.pairs === 0 ? 'differ' : 'differs'} in ${reason.fact} and in nothing else`
  }
}

function percentText(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`
}
