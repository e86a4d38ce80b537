import { BitfleetError } from '../../shared/errors.ts'
import { readNamedText } from '../../shared/named-file.ts'
import { maxPlanCharacters } from './source.ts'
import { decodeUtf8 } from '../../shared/utf8.ts'

const maxPlanBytes = 4 * maxPlanCharacters

/** What a command calls its plan: the path as it was given, or standard input, which `-` stands for. */
export function planName(planPath: string): string {
  return planPath === '-' ? 'standard input' : planPath
}

/**
 * The plan in a file, or on standard input for `-`.
 *
 * @throws as `readNamedText`
 */
export async function readPlanText(
  planPath: string,
  input: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean } = process.stdin,
): Promise<string> {
  if (planPath !== '-') return readNamedText(planPath, { title: `the plan ${planPath}`, maxBytes: maxPlanBytes })
  if (input.isTTY) process.stderr.write('The plan is read from the terminal; end it with Ctrl-D.\n')
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of input) {
    size += chunk.byteLength
    if (size > maxPlanBytes) {
      throw new BitfleetError('limit', `the plan on standard input has over ${maxPlanBytes} bytes; split it`)
    }
    chunks.push(chunk)
  }
  try {
    return decodeUtf8(Buffer.concat(chunks))
  } catch (cause) {
    throw new BitfleetError('format', 'the plan on standard input is not UTF-8', { cause })
  }
}
