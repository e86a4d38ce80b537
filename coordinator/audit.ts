import type { JournalRecord } from './store/index.ts'

/** Who did what, and when, in the words of a person. The words of others stand in it: they are for `visibleLine`. */
export interface AuditLine {
  readonly sequence: number
  readonly at: string
  readonly who: string
  readonly what: string
}

export function auditLine(record: JournalRecord): AuditLine {
  const { sequence, at } = record
  return { sequence, at, who: record.kind === 'journal' ? 'coordinator' : record.by, what: deedOf(record) }
}

function deedOf(record: JournalRecord): string {
  switch (record.kind) {
    case 'journal':
      return `began the journal ${record.id}`
    case 'agent':
      return `agent ${record.agent} showed facts, backends or devices that were not known of it`
    case 'run':
      return `submitted run ${record.run}`
    case 'execution':
      return `brought repetition ${record.repetition} of cell ${record.cell} of run ${record.run}, attempt ${record.attempt}`
    case 'run-state':
      return `run ${record.run} is ${record.state}${record.failure === undefined ? '' : `: ${record.failure}`}`
    case 'cancel':
      return `cancelled run ${record.run}`
    case 'resume':
      return `went on with run ${record.run}`
    case 'report':
      return `made the report of run ${record.run}`
    case 'import':
      return `made run ${record.run} of a bundle that agent ${record.agent} signed`
    case 'token-created':
      return `made the token ${record.token.slice(0, 16)}, good until ${record.expiresAt}`
    case 'agent-enrolled':
      return `agent ${record.name} (${record.agent}) enrolled with the token ${record.token.slice(0, 16)}${record.standing === 'pending' ? ', and waits for approval' : ''}`
    case 'enrolment-refused':
      return `the token ${record.token.slice(0, 16)} was refused to the key ${record.key.slice(0, 16)}: ${record.reason}`
    case 'agent-approved':
      return `approved agent ${record.agent}`
    case 'agent-renewed':
      return `agent ${record.agent} connected, number ${record.connection}`
    case 'agent-locked':
      return `locked agent ${record.agent}: ${record.reason}`
    case 'agent-ahead':
      return `locked agent ${record.agent}: it came with connection ${record.connection}, the last known here is ${record.known}`
    case 'agent-unlocked':
      return `unlocked agent ${record.agent}`
    case 'agent-labelled':
      return `labelled agent ${record.agent}: ${Object.entries(record.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ')}`
    case 'agent-revoked':
      return `revoked agent ${record.agent}: ${record.reason}`
    case 'agent-pruned':
      return `forgot agent ${record.agent}`
    case 'execution-killed':
      return `a runner was killed from outside, attempt ${record.attempt} at ${record.job}; it is made again`
    case 'job-refused':
      return `did not take attempt ${record.attempt} at ${record.job}: ${record.reason}`
    case 'result-refused':
      return `brought a result of ${record.job}, attempt ${record.attempt}, that was refused: ${record.reason}`
    case 'result-quarantined':
      return `brought a result of ${record.job}, attempt ${record.attempt}, that was set apart: ${record.reason}`
    case 'person-created':
      return `added ${record.person} as ${record.role}`
    case 'person-changed':
      return record.role === undefined
        ? `gave ${record.person} another password`
        : `made ${record.person} ${record.role === 'viewer' ? 'a' : 'an'} ${record.role}`
    case 'person-removed':
      return `removed ${record.person}`
    case 'api-token-created': {
      const { token, role, title, person, expiresAt } = record
      const whose = person === undefined ? '' : ` of ${person}`
      return `made API token ${token}${whose}, ${role}, "${title}", ${expiresAt === undefined ? 'without end' : `until ${expiresAt}`}`
    }
    case 'api-token-revoked':
      return `revoked API token ${record.token}`
    case 'signed-in':
      return `signed in by ${record.how} from ${record.address}`
    case 'sign-in-refused':
      return `refused to sign in "${record.name}" from ${record.address}`
    case 'audit':
      return `${record.action} ${record.subject}${record.detail === undefined ? '' : `: ${record.detail}`}`
  }
}
