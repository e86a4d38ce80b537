import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needs } from './needs.ts'

/** Whether to skip tests that make certificates of their own. */
export function lacksOpenssl(name: string): boolean {
  const isThere = spawnSync('openssl', ['version']).status === 0
  return needs(name, isThere, 'no openssl command to make certificates with', 'apt-get install openssl')
}

/** A certificate and its key, as files. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

function openssl(folder: string, ...argv: string[]): void {
  const { status, stderr } = spawnSync('openssl', argv, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${argv.join(' ')}: ${stderr}`)
}

const newKey = (file: string) => [
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:prime256v1',
  '-nodes',
  '-keyout',
  file,
]

/** An authority of a test's own, good for a day. */
export function makeAuthority(folder: string, name: string): CertificateFiles {
  const [cert, key] = [`${name}.pem`, `${name}.key`]
  openssl(folder, 'req', '-x509', ...newKey(key), '-out', cert, '-days', '1', '-subj', `/CN=${name}`)
  return { cert: join(folder, cert), key: join(folder, key) }
}

/**
 * @param names such as `DNS:lab.test,IP:127.0.0.1`
 * @param days  how long it is good; a negative number makes one that has expired
 */
export function makeCertificate(
  folder: string,
  authority: CertificateFiles,
  name: string,
  names: string,
  days = 1,
): CertificateFiles {
  const [cert, key, request, extensions] = [`${name}.pem`, `${name}.key`, `${name}.csr`, `${name}.ext`]
  openssl(folder, 'req', ...newKey(key), '-out', request, '-subj', `/CN=${name}`)
  writeFileSync(join(folder, extensions), `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`)
  const signing = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial']
  openssl(
    folder,
    'x509',
    '-req',
    '-in',
    request,
    ...signing,
    '-days',
    String(days),
    '-extfile',
    extensions,
    '-out',
    cert,
  )
  return { cert: join(folder, cert), key: join(folder, key) }
}
