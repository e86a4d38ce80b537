import type { Hono } from 'hono'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import { identityOf } from '../api/guards.ts'
import { localPath } from '../api/local-path.ts'
import { clearSessionCookie, readSessionCookie, setSessionCookie } from '../api/session-cookie.ts'
import type { Services } from '../services.ts'
import { Account } from './account.tsx'
import { readForm } from './forms.ts'
import { answer } from './page.tsx'
import { LinkSpent, SignIn } from './sign-in.tsx'

/** Signing in and out, and one's own account. */
export function addSignInRoutes(app: Hono, { people }: Pick<Services, 'people'>): void {
  const lacksAdmin = () => !people.hasAdmin()
  const nextOf = (text: string | undefined) => {
    const next = localPath(text ?? '')
    return next === undefined || next === '/' ? {} : { next }
  }

  app.get('/sign-in', (c) => {
    const { next } = nextOf(c.req.query('next'))
    if (c.get('identity')) return c.redirect(next ?? '/', 303)
    return answer(c, <SignIn {...nextOf(next)} lacksAdmin={lacksAdmin()} />)
  })
  app.post('/sign-in', async (c) => {
    const field = await readForm(c)
    const [name, { next }] = [field('name').trim().toLowerCase(), nextOf(field('next'))]
    const client = c.get('client')
    try {
      const secret = await people.signIn(name, field('password'), client.address)
      const before = readSessionCookie(c, client)
      if (before !== undefined) people.signOut(before)
      setSessionCookie(c, secret)
      return c.redirect(next ?? '/', 303)
    } catch (error) {
      if (!isBitfleetError(error) || (error.code !== 'refused' && error.code !== 'limit')) throw error
      const problem = sentence(messageOf(error))
      return answer(
        c,
        <SignIn {...nextOf(next)} {...{ name, problem, lacksAdmin: lacksAdmin() }} />,
        error.code === 'limit' ? 429 : 403,
      )
    }
  })

  app.get('/sign-in/:secret', async (c) => {
    // A glance at the address does not use it up.
    if (c.req.method === 'HEAD') return c.body(null, 204)
    const client = c.get('client')
    const used = await people.useLink(c.req.param('secret'), client.address)
    if (!used) return answer(c, <LinkSpent />, 403)
    const before = readSessionCookie(c, client)
    if (before !== undefined) people.signOut(before)
    setSessionCookie(c, used.secret)
    return c.redirect(used.path, 303)
  })

  app.post('/sign-out', (c) => {
    const secret = readSessionCookie(c, c.get('client'))
    if (secret !== undefined) people.signOut(secret)
    clearSessionCookie(c)
    return c.redirect('/sign-in', 303)
  })

  app.get('/account', (c) =>
    answer(c, <Account identity={identityOf(c)} changed={c.req.query('changed') !== undefined} />),
  )
  app.post('/account/password', async (c) => {
    const identity = identityOf(c)
    const { subject } = identity
    if (subject.kind !== 'person') throw new BitfleetError('refused', `${identity.title} has no password here`)
    const field = await readForm(c)
    const client = c.get('client')
    try {
      if (field('password') !== field('again')) {
        throw new BitfleetError('usage', 'the new password is not the same both times')
      }
      await people.confirm(subject.name, field('current'), client.address)
      await people.setPassword(subject.name, field('password'), identity.by, readSessionCookie(c, client))
    } catch (error) {
      if (!isBitfleetError(error) || !['usage', 'refused', 'limit'].includes(error.code)) throw error
      const problem = sentence(error.code === 'refused' ? 'the password now is another' : messageOf(error))
      return answer(c, <Account {...{ identity, problem }} />, error.code === 'limit' ? 429 : 400)
    }
    return c.redirect('/account?changed', 303)
  })
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
