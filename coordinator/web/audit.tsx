import type { AuditLine } from '../audit.ts'
import type { Identity } from '../people/index.ts'
import { visibleLine } from '../../shared/visible.ts'
import { Page } from './page.tsx'
import { addressOf, Moment } from './parts.tsx'

export interface AuditProps {
  readonly identity: Identity
  /** Newest first. */
  readonly deeds: readonly AuditLine[]
  /** With every result that an agent brought. */
  readonly all: boolean
  /** Where this page begins; left out, at the newest. */
  readonly before?: number | undefined
  /** Where the next page begins; left out, there is none. */
  readonly next?: number | undefined
}

export function AuditPage({ identity, deeds, all, before, next }: AuditProps) {
  const address = (from?: number, results = all) => addressOf('/audit', { all: results ? 1 : undefined, before: from })
  return (
    <Page title="Audit" identity={identity} section="audit">
      <section aria-labelledby="audit-title">
        <div class="wide">
          <h1 id="audit-title">Who did what, and when</h1>
          <p>
            Newest first, from the journal, whose records are chained by their digests: <code>bitfleet fsck</code>{' '}
            checks them all.{' '}
            {all ? (
              <a href={address(before, false)}>Leave out the results that agents brought</a>
            ) : (
              <a href={address(before, true)}>Show also every result that an agent brought</a>
            )}
          </p>
          {deeds.length === 0 ? (
            <p>Nothing but results of agents here.</p>
          ) : (
            <div class="scroll" tabindex={0} role="group" aria-label="Deeds">
              <table class="list">
                <thead>
                  <tr>
                    <th scope="col" class="number">
                      Record
                    </th>
                    <th scope="col">When</th>
                    <th scope="col">Who</th>
                    <th scope="col">What</th>
                  </tr>
                </thead>
                <tbody>
                  {deeds.map(({ sequence, at, who, what }) => (
                    <tr>
                      <td class="number">{sequence}</td>
                      <td>
                        <Moment at={at} />
                      </td>
                      <td class="name">{visibleLine(who)}</td>
                      <td class="name">{visibleLine(what)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {before === undefined && next === undefined ? null : (
            <nav class="pages" aria-label="Pages of the audit">
              {before === undefined ? null : <a href={address()}>Newest</a>}
              {next === undefined ? null : <a href={address(next)}>Older</a>}
            </nav>
          )}
        </div>
      </section>
    </Page>
  )
}
