import { describe, expect, it } from 'vitest'
import { wordsOfClient } from './client-words.ts'

// What npm 11 and pip 23 wrote.

describe('the words of a client', () => {
  it.each([
    [
      'npm, refused',
      `npm error code ECONNREFUSED
npm error syscall connect
npm error errno ECONNREFUSED
npm error FetchError: request to http://127.0.0.1:9/small failed, reason: connect ECONNREFUSED 127.0.0.1:9
npm error     at ClientRequest.<anonymous> (/usr/lib/node_modules/npm/node_modules/minipass-fetch/lib/index.js:130:14)
npm error     at process.processTicksAndRejections (node:internal/process/task_queues:83:21) {
npm error   code: 'ECONNREFUSED',
npm error   port: 9,
npm error   type: 'system'
npm error }
npm error
npm error If you are behind a proxy, please make sure that the 'proxy' config is set properly.  See: 'npm help config'
npm error A complete log of this run can be found in: /root/.npm/_logs/x-debug-0.log`,
      'code ECONNREFUSED · FetchError: request to http://127.0.0.1:9/small failed, reason: connect ECONNREFUSED 127.0.0.1:9',
    ],
    [
      'npm, without names',
      `npm error code ENOTFOUND
npm error syscall getaddrinfo
npm error errno ENOTFOUND
npm error network request to http://registry.invalid/small failed, reason: getaddrinfo ENOTFOUND registry.invalid
npm error network This is a problem related to network connectivity.
npm error network In most cases you are behind a proxy or have bad network settings.
npm error network
npm error network If you are behind a proxy, please make sure that the 'proxy' config is set properly.`,
      'code ENOTFOUND · network request to http://registry.invalid/small failed, reason: getaddrinfo ENOTFOUND registry.invalid',
    ],
    [
      'npm, forbidden',
      `npm ERR! code E403
npm ERR! 403 403 Forbidden - GET http://mirror.lab/small-1.0.0.tgz
npm ERR! 403 In most cases, you or one of your dependencies are requesting a package version that is forbidden by your security policy.`,
      'code E403 · 403 403 Forbidden - GET http://mirror.lab/small-1.0.0.tgz',
    ],
    [
      'pip, refused again and again',
      [4, 3, 2]
        .map(
          (total, i) =>
            `WARNING: Retrying (Retry(total=${total}, connect=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7fae287${i}>: Failed to establish a new connection: [Errno 111] Connection refused')': /numpy/`,
        )
        .concat(
          'ERROR: Could not find a version that satisfies the requirement numpy==2.3.5 (from versions: none)',
          'ERROR: No matching distribution found for numpy==2.3.5',
        )
        .join('\n'),
      'Failed to establish a new connection: [Errno 111] Connection refused · Could not find a version that satisfies the requirement numpy==2.3.5 (from versions: none)',
    ],
    [
      'pip, timed out',
      `WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'ReadTimeoutError("HTTPConnectionPool(host='mirror.lab', port=80): Read timed out. (read timeout=15)")': /numpy/`,
      `HTTPConnectionPool(host='mirror.lab', port=80): Read timed out. (read timeout=15)`,
    ],
    ['no pip', '/usr/bin/python3: No module named pip', '/usr/bin/python3: No module named pip'],
    [
      'nothing but hints',
      'npm error A complete log of this run can be found in: /x',
      'A complete log of this run can be found in: /x',
    ],
    ['nothing', '', ''],
  ])('%s', (_, text, words) => expect(wordsOfClient(text)).toBe(words))

  it('are bounded', () => {
    expect(wordsOfClient('x'.repeat(5000))).toHaveLength(401)
    expect(wordsOfClient('a\nb\nc\nd\ne')).toBe('a · b · c · d')
  })
})
