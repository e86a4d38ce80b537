import { spawn } from 'node:child_process'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import { createTail } from '../daemon/tail.ts'
import { causeOf } from './full-disk.ts'
import type { RunOptions } from './provider.ts'

const hourMs = 3_600_000
const tailLines = 12

/**
 * Runs a program of this machine as a person would, in this process's own environment: npm and pip find their
 * registries, proxies and credentials there.
 *
 * @returns its standard output, at most its last lines where it says much
 * @throws `unavailable` where it is not there; `system` with the last lines of what it said where it fails
 */
export async function runProgram(
  command: string,
  argv: readonly string[],
  { remedy, cwd, environment = {}, timeMs = hourMs, words = lastWords }: RunOptions,
  base: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const child = spawn(command, argv, {
    cwd,
    env: { ...base, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // Not spawn's own bound: where a program is not there, Node keeps its timer, and this process with it.
  const timer = setTimeout(() => child.kill('SIGKILL'), timeMs)
  const [said, complained] = [createTail(), createTail()]
  child.stdout.on('data', (piece: Buffer) => said.push(piece))
  child.stderr.on('data', (piece: Buffer) => complained.push(piece))
  const ended = await new Promise<number | string | null>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(
        new BitfleetError('unavailable', `${command} cannot be started (${messageOf(cause)}); ${remedy}`, { cause }),
      ),
    )
    child.once('close', (code, signal) => resolve(code ?? signal))
  }).finally(() => clearTimeout(timer))
  if (ended === 0) return said.lines(Number.MAX_SAFE_INTEGER)
  const all = complained.lines(Number.MAX_SAFE_INTEGER) || said.lines(Number.MAX_SAFE_INTEGER)
  // `python3 -m pip` is pip.
  const what = [command, ...argv.slice(0, argv[0] === '-m' ? 2 : 1)].join(' ')
  throw new BitfleetError('system', `${what} ended with ${ended}: ${visibleLine(words(all))}; ${remedy}`, {
    cause: causeOf(all),
  })
}

function lastWords(text: string): string {
  const lines = text.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => line !== '')
    .slice(-tailLines)
    .join(' · ')
}
