import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { agentNameSchema, type Renewal, renewalSchema } from '../../shared/enrolment.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { labelsSchema } from '../../shared/labels.ts'
import { publicKeyPattern } from '../../shared/keys.ts'

const enrolmentStateSchema = z.strictObject({
  /** The coordinator's public key: no other is talked to. */
  coordinator: z.string().regex(publicKeyPattern),
  /** Where it was reached when this agent enrolled. */
  url: z.string(),
  /** What `--ca` named when it was last given: an absolute path. */
  caFile: z.string().optional(),
  name: agentNameSchema,
  labels: labelsSchema,
  /** SHA-256 of the public key of the token it enrolled with: the same one again changes nothing. */
  token: z.string().optional(),
  /** The last connection that the coordinator took. */
  sequence: z.number().int().nonnegative(),
  mark: z.string(),
  /** One that it may have taken: said again until an answer shows that it was. */
  pending: renewalSchema.optional(),
})
/** What an agent knows of its coordinator, in its state folder beside the key. */
export type EnrolmentState = z.infer<typeof enrolmentStateSchema>

const pathOf = (stateDir: string) => join(stateDir, 'enrolment.json')

/** @returns undefined where this agent has not enrolled. @throws `format` where the file is not as it was written */
export function readEnrolment(stateDir: string): EnrolmentState | undefined {
  const path = pathOf(stateDir)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return enrolmentStateSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new BitfleetError(
      'format',
      `${path} is not as Bitfleet wrote it: ${messageOf(cause)}; restore it, or \`bitfleet agent reset\` and enrol again`,
      { cause },
    )
  }
}

/** On disk when it returns; a reader sees the old or the new one, whole. */
export function writeEnrolment(stateDir: string, state: EnrolmentState): void {
  const path = pathOf(stateDir)
  const draft = `${path}.${process.pid}.new`
  try {
    writeFileSync(draft, `${JSON.stringify(enrolmentStateSchema.parse(state), null, 2)}\n`, {
      mode: 0o600,
      flush: true,
    })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** The chain of an agent's connections, by which a copied state folder is found out. */
export interface Renewals {
  /** For the next connection; on disk before it is said, and the same until it was taken. */
  next(): Renewal
  /** The coordinator welcomed us by it. */
  taken(): void
}

export function createRenewals(stateDir: string): Renewals {
  const read = (): EnrolmentState => {
    const state = readEnrolment(stateDir)
    if (state) return state
    throw new BitfleetError('refused', `${pathOf(stateDir)} is gone; \`bitfleet agent enroll\` again`)
  }
  return {
    next() {
      const { pending, ...state } = read()
      if (pending) return pending
      const { sequence, mark: previous } = state
      const renewal = { sequence: sequence + 1, mark: randomBytes(16).toString('hex'), previous }
      writeEnrolment(stateDir, { ...state, pending: renewal })
      return renewal
    },
    taken() {
      const { pending, ...state } = read()
      if (pending) writeEnrolment(stateDir, { ...state, sequence: pending.sequence, mark: pending.mark })
    },
  }
}
