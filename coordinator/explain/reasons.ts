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
    case 'twins': {
      const differ = `differ in ${reason.fact} and in no other fact outside its family`
      return reason.pairs === 0
        ? `no two machines with different bits ${differ}`
        : `without using a machine twice, at most one pair can be formed of machines that have different bits and ${differ}`
    }
    case 'lacking': {
      const who = reason.machines === 1 ? '1 machine has' : `${reason.machines} machines have`
      return `${who} no ${reason.fact}, so whether it changed is not known`
    }
  }
}

function percentText(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`
}
