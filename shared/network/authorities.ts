import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { BitfleetError, messageOf } from '../errors.ts'
import type { NetworkSettings } from './settings.ts'

/** Where systems keep the authorities that their administrator trusts, the first that is there. */
const systemFiles = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Alpine, Arch
  '/etc/pki/tls/certs/ca-bundle.crt', // Fedora, RHEL
  '/etc/ssl/ca-bundle.pem', // SUSE
  '/etc/ssl/cert.pem', // macOS, BSD
]

const block = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g

/** The certificates in PEM text, in order. @throws `usage` where there is none or one cannot be read. */
export function parseCertificates(text: string, file: string): X509Certificate[] {
  const blocks = text.match(block) ?? []
  if (blocks.length === 0) {
    throw new BitfleetError(
      'usage',
      `${file} holds no certificate in PEM form; \`openssl x509 -inform der -in FILE\` makes PEM of a DER file`,
    )
  }
  return blocks.map((pem, i) => {
    try {
      return new X509Certificate(pem)
    } catch (cause) {
      throw new BitfleetError('usage', `${file}: certificate ${i + 1} cannot be read: ${messageOf(cause)}`, { cause })
    }
  })
}

/** What TLS trusts on this machine. Reads files, so that a renewed authority is trusted from the next connection on. */
export interface Authorities {
  secureContext(): SecureContext
}

/**
 * Node's own roots, the system's, and the lab's: a list that is given to TLS replaces what it would trust by itself, so
 * they are put together here.
 *
 * @throws `usage` where the lab's file cannot be read now; one that vanishes later leaves the last good list in force
 */
export function createAuthorities(settings: NetworkSettings): Authorities {
  const { caFile } = settings
  let made: { context: SecureContext; from: string } | undefined
  let own = caFile === undefined ? '' : readOwn(caFile)

  return {
    secureContext() {
      if (caFile !== undefined) own = readAgain(caFile) ?? own
      if (made?.from !== own) made = { context: createSecureContext({ ca: allRoots(settings, own) }), from: own }
      return made.context
    },
  }
}

/** Trust in exactly these certificates, whoever signed them; names and dates are checked as ever. */
export function pinnedAuthorities(certificates: string): Authorities {
  let context: SecureContext | undefined
  return {
    secureContext: () => (context ??= createSecureContext({ ca: certificates, allowPartialTrustChain: true })),
  }
}

function allRoots({ systemCaFile, extraCaFile }: NetworkSettings, own: string): string[] {
  const system = systemCaFile === undefined ? systemFiles : [systemCaFile]
  const found = system.map(readOptional).find((text) => text !== '')
  return [
    ...new Set([...rootCertificates, found ?? '', extraCaFile === undefined ? '' : readOptional(extraCaFile), own]),
  ]
    .filter((text) => text !== '')
    .map((text) => `${text}\n`)
}

function readOptional(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function readOwn(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BitfleetError(
      'usage',
      `the authority's certificate (--ca or BITFLEET_CA_FILE) cannot be read: ${messageOf(cause)}`,
      { cause },
    )
  }
  parseCertificates(text, file)
  return text
}

function readAgain(file: string): string | undefined {
  try {
    return readOwn(file)
  } catch {
    return undefined
  }
}
