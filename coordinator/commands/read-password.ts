import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { BitfleetError } from '../../shared/errors.ts'

type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean }

/**
 * A password: asked twice on a terminal without showing it, else the first line of standard input.
 *
 * @throws `usage` for none, or for two that differ
 */
export async function readPassword(
  prompt: string,
  input: Input = process.stdin,
  output: NodeJS.WritableStream = process.stderr,
): Promise<string> {
  if (!input.isTTY) return firstLine(input)
  const [first, second] = await askUnseen([`${prompt}: `, 'Again: '], input, output)
  if (first !== second) throw new BitfleetError('usage', 'the passwords differ; nothing was changed')
  return first as string
}

const maxLength = 1 << 16

async function firstLine(input: Input): Promise<string> {
  let text = ''
  input.setEncoding('utf8')
  for await (const chunk of input) {
    text += String(chunk)
    if (text.includes('\n') || text.length > maxLength) break
  }
  const [line = ''] = text.split(/\r?\n/)
  if (line === '') throw new BitfleetError('usage', 'no password came from standard input')
  return line
}

/** What is typed goes nowhere but into the answers. */
async function askUnseen(prompts: readonly string[], input: Input, output: NodeJS.WritableStream): Promise<string[]> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 })
  const answers: string[] = []
  try {
    return await new Promise<string[]>((resolve, reject) => {
      const stop = () => reject(new BitfleetError('usage', 'no password was given; nothing was changed'))
      const ask = () => output.write(prompts[answers.length] as string)
      lines.once('SIGINT', stop)
      lines.once('close', stop)
      lines.on('line', (line) => {
        answers.push(line)
        output.write('\n')
        if (answers.length < prompts.length) ask()
        else resolve(answers)
      })
      ask()
    })
  } finally {
    lines.close()
  }
}
