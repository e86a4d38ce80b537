import { visibleLine } from '../../shared/visible.ts'
import { Page } from './page.tsx'

export interface SignInProps {
  readonly name?: string
  /** Where to go afterwards, on this server. */
  readonly next?: string
  readonly problem?: string
  readonly lacksAdmin: boolean
}

export function SignIn({ name, next, problem, lacksAdmin }: SignInProps) {
  return (
    <Page title="Sign in">
      <section>
        <div class="wide">
          <h1>Sign in</h1>
          {lacksAdmin ? (
            <div class="caution narrow">
              <p>Nobody can sign in as admin yet. On the coordinator's machine, make the first admin with</p>
              <pre tabindex={0}>bitfleet people add NAME --role admin</pre>
            </div>
          ) : null}
          {problem === undefined ? null : (
            <p class="problem narrow" role="alert">
              {problem}
            </p>
          )}
          <form class="fields" method="post" action="/sign-in">
            {next === undefined ? null : <input type="hidden" name="next" value={next} />}
            <label>
              Name
              <input
                name="name"
                value={visibleLine(name ?? '')}
                autocomplete="username"
                autocapitalize="none"
                spellcheck={false}
                maxlength={64}
                required
                autofocus={name === undefined}
              />
            </label>
            <label>
              Password
              <input
                name="password"
                type="password"
                autocomplete="current-password"
                required
                autofocus={name !== undefined}
              />
            </label>
            <button>Sign in</button>
          </form>
        </div>
      </section>
    </Page>
  )
}

/** For a sign-in link that is no good. */
export function LinkSpent() {
  return (
    <Page title="This link does not work any more">
      <section>
        <div class="wide">
          <h1>This link does not work any more</h1>
          <p>A sign-in link works once, within five minutes. On the coordinator's machine, make another with</p>
          <pre class="narrow" tabindex={0}>
            bitfleet people link
          </pre>
          <p>
            <a href="/sign-in">Sign in with a password</a>
          </p>
        </div>
      </section>
    </Page>
  )
}
