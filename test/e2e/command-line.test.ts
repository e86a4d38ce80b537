import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const main = resolve(import.meta.dirname, '../../dist/main.js')
const shell = (command: string) =>
  promisify(execFile)('bash', ['-c', command, main], { env: { PATH: process.env.PATH, HOME: process.env.HOME } })

it('a reader that has seen enough is no error', async () => {
  // More than a pipe holds, so that some of it is written after the reader has gone.
  const program = `node "$0" workloads --json`
  expect((await shell(`${program} | wc -c`)).stdout.trim()).toMatch(/^\d{4,}$/)
  const { stdout, stderr } = await shell(`set -o pipefail; ${program} | sleep 0; echo "exit $?"`)
  expect([stdout, stderr]).toEqual(['exit 0\n', ''])
})
