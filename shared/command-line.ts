import { type Command, CommanderError, Option } from 'commander'
import { isBitfleetError, messageOf } from './errors.ts'
import { visible } from './visible.ts'

// What the command lines of both sides have in common: `bitfleet`, and the agent's own single file.

export const json = () => new Option('--json', 'print JSON on standard output')
export const tokenFile = (whose: string) => new Option('--token-file <file>', `file with ${whose} token`)

export const ca = () =>
  new Option('--ca <file>', "certificates (PEM) of the lab's own authority, trusted besides the system's")

export const clean = () =>
  new Option(
    '--clean',
    'keep variables that select a code path or threads from what computes (OPENBLAS_CORETYPE, OMP_NUM_THREADS, …)',
  )

/** Runs a command's code and makes its result the exit code. */
export function does<Args extends unknown[]>(action: (...args: Args) => Promise<number>) {
  return async (...args: Args): Promise<void> => {
    process.exitCode = await action(...args)
  }
}

/** Parses an option's value. @throws CommanderError where it is no whole number below a billion */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new CommanderError(2, 'bitfleet.number', `error: "${text}" is not a whole number`)
  return Number(text)
}

/** Parses bytes, plain or with KiB, MiB, GiB or TiB: `1073741824`, `512MiB`. @throws CommanderError for anything else */
export function byteCount(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,15})(|KiB|MiB|GiB|TiB)$/.exec(text) ?? []
  const bytes = Number(digits) * 1024 ** ['', 'KiB', 'MiB', 'GiB', 'TiB'].indexOf(unit)
  if (Number.isSafeInteger(bytes)) return bytes
  throw new CommanderError(2, 'bitfleet.number', `error: "${text}" is not a number of bytes, such as 512MiB`)
}

/**
 * Runs the program that the command line asks for; the exit code is the command's, or 2 for an error of use or of the
 * system, which is said on standard error.
 */
export async function runProgram(program: Command): Promise<void> {
  // Whoever reads what is written may have seen enough (`| head`); the command goes on to its end and its exit code.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version are no errors; everything else commander throws is an error of use.
      process.exitCode = error.exitCode === 0 ? 0 : 2
      if (error.code === 'bitfleet.number') process.stderr.write(`${error.message}\n`)
    } else {
      // What a coordinator, an agent or a file says stands in messages; it must not steer the terminal.
      process.stderr.write(`bitfleet: ${visible(messageOf(error))}\n`)
      // Where the fault is the program's own, not a file's or a network's.
      if (error instanceof Error && !isBitfleetError(error) && !('syscall' in error)) {
        process.stderr.write(`${error.stack}\n`)
      }
      process.exitCode = 2
    }
  }
}
