import { BitfleetError } from '../../shared/errors.ts'
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
  if (choice === undefined) {
    const [name = ''] = id.split('@')
    const versions = choices.filter(({ provider }) => provider.id === name)
    const there = (versions.length > 0 ? versions : choices).map((candidate) => candidate.id).join(', ')
    const fact =
      versions.length > 0 ? `Bitfleet installs no such version of ${name}` : 'Bitfleet installs no such backend'
    throw new BitfleetError('usage', `${id}: ${fact}; there are ${there}`)
  }
  if (choice.version.unsupported !== undefined) {
    throw new BitfleetError('unavailable', `${id} is not made for this machine: ${choice.version.unsupported}`)
  }
  return choice
}
