import { Agent, fetch, type RequestInit, type Response } from 'undici'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import { explainHangUp, type Network } from '../../shared/network/network.ts'
import { isHangUp } from '../../shared/network/problems.ts'

export type { Response }
export type ClientRequest = Omit<RequestInit, 'headers' | 'dispatcher' | 'redirect'> & {
  readonly headers?: Readonly<Record<string, string>>
}

/** Three beats of an event stream, and the longest that a coordinator is given to think. */
const [silenceMs, answerMs] = [45_000, 15 * 60_000]

/**
 * HTTP over a network of ours: through its proxy, trusting what it trusts.
 *
 * @returns a call that throws `unavailable` where no answer comes, and says what to do about it
 */
export function createHttp(network: Network): (url: string, init: ClientRequest) => Promise<Response> {
  const dispatcher = new Agent({
    bodyTimeout: silenceMs,
    headersTimeout: answerMs,
    connect({ protocol, hostname, port }, callback) {
      const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname
      network.open(new URL(`${protocol}//${host}${port ? `:${port}` : ''}`)).then(
        (socket) => callback(null, socket),
        (error: Error) => callback(error, null),
      )
    },
  })
  return async (url, init) => {
    try {
      return await fetch(url, { ...init, redirect: 'error', dispatcher })
    } catch (error) {
      const cause = error instanceof Error && error.cause ? error.cause : error
      if (isBitfleetError(cause)) throw cause
      const explained = isHangUp(cause) ? await explainHangUp(network, new URL(url), cause) : undefined
      if (explained) throw explained
      throw new BitfleetError('unavailable', `no coordinator answers at ${new URL(url).origin}: ${messageOf(cause)}`, {
        cause: error,
      })
    }
  }
}

/** A request that brings JSON. */
export const sending = (method: string, body: unknown): ClientRequest => ({
  ...{ method, body: JSON.stringify(body) },
  headers: { 'Content-Type': 'application/json' },
})
