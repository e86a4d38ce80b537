import { type Identity, minPasswordLength, roleMeanings } from '../people/index.ts'
import { visibleLine } from '../../shared/visible.ts'
import { Page } from './page.tsx'

export interface AccountProps {
  readonly identity: Identity
  readonly problem?: string
  readonly changed?: boolean
}

/** Who one is, and another password. */
export function Account({ identity, problem, changed }: AccountProps) {
  return (
    <Page title="Your account" identity={identity} section="account">
      <section>
        <div class="wide">
          <h1>{visibleLine(identity.title)}</h1>
          <p>
            Your role is <b>{identity.role}</b>. {roleMeanings[identity.role]}
          </p>
          {identity.subject.kind === 'person' ? (
            <>
              <h2>Password</h2>
              {changed ? (
                <p class="done narrow" role="status">
                  Your password is changed. Your other sessions have ended.
                </p>
              ) : null}
              {problem === undefined ? null : (
                <p class="problem narrow" role="alert">
                  {visibleLine(problem)}
                </p>
              )}
              <form class="fields" method="post" action="/account/password">
                <input type="hidden" name="name" value={identity.subject.name} autocomplete="username" />
                <label>
                  Password now
                  <input name="current" type="password" autocomplete="current-password" required />
                </label>
                <div class="entry">
                  <label for="new-password">New password</label>
                  <input
                    id="new-password"
                    name="password"
                    type="password"
                    autocomplete="new-password"
                    minlength={minPasswordLength}
                    aria-describedby="password-hint"
                    required
                  />
                  <span class="hint" id="password-hint">
                    At least {minPasswordLength} characters.
                  </span>
                </div>
                <label>
                  New password again
                  <input name="again" type="password" autocomplete="new-password" required />
                </label>
                <button>Change the password</button>
              </form>
            </>
          ) : (
            <p>You came by a sign-in link, and have no password here.</p>
          )}
        </div>
      </section>
    </Page>
  )
}
