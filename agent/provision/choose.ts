import { BitfleetError } from '../../shared/errors.ts'
import { nearest } from '../../shared/nearest.ts'
import type { Machine, Provider, Version } from './provider.ts'

export interface Choice {
  /** NAME@VERSION */
  readonly id: string
  readonly provider: Provider
  readonly version: Version
}

/** Every version of every provider, those that this machine cannot have with them. */
export function listChoices(providers: readonly Provider[], machine: Machine): Choice[] {
  return providers.flatMap((provider) =>
    provider.versions(machine).map((version) => ({ id: `${provider.id}@${version.id}`, provider, version })),
  )
}

/**
 * What a person names to add.
 *
 * @throws `usage` naming what there is; `unavailable` where it is not made for this machine
 */
export function chooseVersion(id: string, providers: readonly Provider[], machine: Machine): Choice {
  const choices = listChoices(providers, machine)
  const choice = choices.find((candidate) => candidate.id === id)
  if (choice === undefined) throw new BitfleetError('usage', `${id}: ${whatThereIs(id, choices)}`)
  const { unsupported, add } = choice.version
  if (unsupported !== undefined) {
    const fact = add === undefined ? 'is not made for this machine' : 'cannot be added yet'
    const remedy = add === undefined ? '' : `; \`${add}\` adds that`
    throw new BitfleetError('unavailable', `${id} ${fact}: ${unsupported}${remedy}`)
  }
  return choice
}

/** Why a name is none, and the nearest ones: of a known library its versions, else the libraries. */
function whatThereIs(id: string, choices: readonly Choice[]): string {
  const [name = '', version] = id.split('@')
  const versions = choices.filter(({ provider }) => provider.id === name).map((choice) => choice.id)
  if (versions.length > 0) {
    const longer = versions.find((other) => version !== undefined && version !== '' && other.startsWith(id))
    // Of versions like 22 and 24 none is nearer than another.
    const guess =
      longer !== undefined ? `, did you mean "${longer}"?` : version?.includes('.') ? nearest(id, versions) : ''
    const fact = version ? `Bitfleet installs no such version of ${name}${guess}` : 'a version belongs to it'
    return `${fact}; there are ${versions.join(', ')}`
  }
  const names = [...new Set(choices.map(({ provider }) => provider.id))]
  const ids = choices.map((choice) => choice.id)
  const guess = nearest(id, ids) || nearest(name, names)
  return `Bitfleet installs no such backend${guess}; there are ${names.join(', ')}, and \`bitfleet backends\` lists their versions`
}
