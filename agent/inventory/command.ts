import { spawn } from 'node:child_process'
import { toolEnvironment } from './config.ts'
import { messageOf } from '../../shared/errors.ts'

/** Absent is not failed: a tool that is not installed says nothing of the machine, one that breaks says something. */
export type CommandResult =
  | { readonly status: 'ok'; readonly stdout: string; readonly stderr: string }
  | { readonly status: 'absent' }
  | { readonly status: 'failed'; readonly reason: string }

export type RunCommand = (file: string, args: readonly string[]) => Promise<CommandResult>

const timeoutMs = 5_000
const maxBytes = 8 << 20

/** Runs a tool in the C locale, five seconds and 8 MiB at most. Never rejects. */
export const runCommand: RunCommand = (file, args) =>
  new Promise((resolve) => {
    const child = spawn(file, args, { env: toolEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
    let stopped: string | undefined
    const stop = (why: string) => {
      stopped ??= why
      child.kill('SIGKILL')
    }
    // Not spawn's own timeout: it would hold this process for five seconds where the tool is absent.
    const timer = setTimeout(() => stop(`did not end within ${timeoutMs / 1000} s`), timeoutMs)
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text
        if (output[name].length > maxBytes) stop(`wrote more than ${maxBytes} bytes`)
      })
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      resolve(error.code === 'ENOENT' ? { status: 'absent' } : { status: 'failed', reason: messageOf(error) })
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (stopped === undefined && code === 0) return resolve({ status: 'ok', ...output })
      const said = (output.stderr.trim() || output.stdout.trim()).split('\n')[0] ?? ''
      const how = stopped ?? (signal === null ? `ended with ${code}: ${said.slice(0, 300)}` : `was ended by ${signal}`)
      resolve({ status: 'failed', reason: `${file} ${how}` })
    })
  })
