import { backendName } from '../../shared/backend-description.ts'
import { BitfleetError } from '../../shared/errors.ts'
import type { Note } from '../../shared/execution.ts'
import type { BackendDriver } from '../backends/backend.ts'
import { describeKnobs, programFacts, programVersion } from './entry.ts'
import { readProgramList } from './list.ts'
import { findChangedPin } from './pins.ts'
import { runProgram, type SeenProgram } from './run.ts'
import { createSaid, type Said } from './said.ts'

/**
 * A listed program as a backend, read from its list anew for each execution.
 *
 * @throws `not-found` where the list has it no more, and as `readProgramList` does
 */
export function programDriver(list: string, id: string): BackendDriver {
  const entry = readProgramList(list).find((candidate) => candidate.id === id)
  if (entry === undefined) throw new BitfleetError('not-found', `program ${id} is not in ${list} any more`)
  const version = programVersion(entry)
  return {
    id,
    title: "A program of the machine's owner",
    kernels: ['program'],
    knobs: describeKnobs(entry),
    elsewhere: true,
    async detect() {
      const changed = await findChangedPin(entry)
      if (changed === undefined) return { status: 'ready', version }
      return { status: 'unavailable', version, reason: changed, add: `bitfleet programs pin ${id}` }
    },
    async open() {
      let said: Said | undefined
      let seen: SeenProgram | undefined
      let planned: Readonly<Record<string, unknown>> | undefined
      const notes = (): Note[] => {
        if (seen === undefined) return []
        const modes = seen.modes.notes()
        if (seen.observer.mapped() !== undefined || process.platform !== 'linux') return modes
        const message = 'it had ended before its libraries could be seen'
        return [...modes, { kind: 'warning', subject: 'program', message }]
      }
      const everything = async () => {
        const told = said?.everything() ?? { settings: {}, facts: {}, notes: [] }
        return {
          settings: told.settings,
          facts: {
            ...told.facts,
            ...(await seen?.observer.facts()),
            ...seen?.modes.facts(),
            ...programFacts(entry, planned),
          },
          notes: [...told.notes, ...notes()],
        }
      }
      return {
        version,
        kernels: {},
        program: {
          name: backendName(id),
          async run(parameters, seed, checkpoint, tell) {
            planned = parameters
            said = createSaid(entry, tell)
            try {
              await runProgram(entry, {
                ...{ parameters, seed, checkpoint, said },
                started: (program) => (seen = program),
              })
            } finally {
              tell({ ...(await everything()), mapped: seen?.observer.mapped() ?? [] })
            }
          },
        },
        effective: everything,
        async close() {},
      }
    },
  }
}
