import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes the program of docs/verify-with-numpy.md, as a reader would copy it, and returns its text. */
export async function writeNumpyScript(path: string): Promise<string> {
  const page = await readFile(join(import.meta.dirname, '..', 'docs', 'verify-with-numpy.md'), 'utf8')
  const script = /^```python\n([\s\S]*?)^```$/m.exec(page)?.[1]
  if (script === undefined) throw new Error('docs/verify-with-numpy.md holds no program')
  await writeFile(path, script)
  return script
}
