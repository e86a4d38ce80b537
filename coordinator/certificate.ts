import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { BitfleetError, messageOf } from '../shared/errors.ts'
import { isLoopback } from '../shared/network/address.ts'
import { parseCertificates } from '../shared/network/authorities.ts'

/** Where a server's certificate and its key are, in PEM. */
export interface TlsFiles {
  /** The server's own certificate first, then those between it and the authority. */
  readonly certFile: string
  readonly keyFile: string
}

/** What a server shows to those who connect, and its proof. */
export interface ServedCertificate {
  readonly cert: string
  readonly key: string
  /** The server's own, of those in `cert`. */
  readonly leaf: X509Certificate
}

const soonDays = 14

/**
 * Reads a certificate and its key, and warns of what will trouble clients or gives the key away.
 *
 * @throws `usage` where they cannot be read or do not belong together
 */
export function readServedCertificate(
  { certFile, keyFile }: TlsFiles,
  warn: (message: string) => void,
): ServedCertificate {
  const [cert, key] = [readText(certFile, '--tls-cert'), readText(keyFile, '--tls-key')]
  const leaf = parseCertificates(cert, certFile)[0] as X509Certificate
  if (!leaf.checkPrivateKey(privateKey(key, keyFile))) {
    throw new BitfleetError(
      'usage',
      `the key in ${keyFile} is not that of the first certificate in ${certFile}; the server's own certificate comes first there, its authority's after it`,
    )
  }
  if ((statSync(keyFile).mode & 0o007) !== 0) {
    warn(`${keyFile} can be read by everybody on this machine; chmod o= keeps the key to its owner and group`)
  }
  const leftDays = (Date.parse(leaf.validTo) - Date.now()) / 86_400_000
  if (leftDays < soonDays) {
    warn(
      `the certificate in ${certFile} ${leftDays < 0 ? 'has expired' : 'expires soon'}: it is good until ${leaf.validTo}`,
    )
  }
  if (leaf.subjectAltName === undefined) {
    warn(`the certificate in ${certFile} is for no host by a subjectAltName; clients will refuse it`)
  }
  return { cert, key, leaf }
}

/** The hosts that a certificate is for, wildcards among them. */
export function namesOf(leaf: X509Certificate): string[] {
  return [...(leaf.subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,"]+)/g)].map((found) => found[1] ?? '')
}

/**
 * The name to call a server by, so that its certificate holds for it.
 *
 * @param at    an address of this machine that it listens at
 * @param local it is reached from this machine alone
 */
export function nameIn(leaf: X509Certificate, at: string, local: boolean): string {
  const names = namesOf(leaf)
  const plain = names.filter((name) => !name.includes('*') && !isLoopback(name))
  // What a wildcard covers is not said; this machine's own name in that domain is the likeliest.
  const wild = names
    .filter((name) => name.startsWith('*.'))
    .map((name) => [hostname().split('.')[0], name.slice(2)].join('.'))
  const here = [at, 'localhost']
  const covers = (name: string) => (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) !== undefined
  return [...(local ? here : []), ...plain, ...wild, ...here].find(covers) ?? at
}

function privateKey(pem: string, file: string) {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    const isLocked = (cause as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE'
    throw new BitfleetError(
      'usage',
      isLocked
        ? `the key in ${file} is locked by a passphrase, which a server that starts by itself cannot give; \`openssl pkey -in FILE\` unlocks it`
        : `${file} holds no private key in PEM form: ${messageOf(cause)}`,
      { cause },
    )
  }
}

function readText(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BitfleetError('usage', `${option} cannot be read: ${messageOf(cause)}`, { cause })
  }
}
