import { BitfleetError } from '../../shared/errors.ts'

/** Whether a program's words say that a disk has no room; messages of other languages are not known. */
export function saysFullDisk(text: string): boolean {
  return /\b(?:ENOSPC|EDQUOT)\b|no space left on device|disk quota exceeded/i.test(text)
}

/** The cause of an error about a program that said so: it is then recognised as the operating system's own would be. */
export function causeOf(words: string): Error | undefined {
  return saysFullDisk(words) ? Object.assign(new Error(words), { code: 'ENOSPC' }) : undefined
}

const notWritable = ['EROFS', 'EACCES', 'EPERM']

/**
 * What a person is told where adding failed because of the folder's disk: that it is full, or may not be written. Any
 * other error is given back as it is.
 *
 * @param root absolute path of the folder of backends
 */
export function explainDisk(id: string, root: string, error: unknown): unknown {
  const chain = [...causesOf(error)]
  const codes = chain.map((one) => String((one as NodeJS.ErrnoException).code))
  if (codes.some((code) => code === 'ENOSPC' || code === 'EDQUOT')) {
    const [program] = chain
    // A program has folders of its own, such as npm's cache, which may lie elsewhere.
    const where =
      program instanceof BitfleetError && !('syscall' in (chain.at(-1) as Error))
        ? `the disk of ${root}, or another one that was written to, is full (${program.message.split('; ')[0]})`
        : `the disk of ${root} is full`
    return new BitfleetError(
      'system',
      `${id} is not installed: ${where}; make room, or choose another folder with --state, and add it again`,
      { cause: error },
    )
  }
  // Those of ours have said what to do.
  if (chain[0] instanceof BitfleetError || !notWritable.includes(codes[0] ?? '')) return error
  return new BitfleetError(
    'system',
    `${id} is not installed: ${(error as Error).message}; run it as the user whose folder ${root} is, or choose another with --state`,
    { cause: error },
  )
}

function* causesOf(error: unknown): Generator<Error> {
  for (let at: unknown = error; at instanceof Error; at = at.cause) yield at
}
