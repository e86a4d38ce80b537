import { readFile } from 'node:fs/promises'
import { judgePromises } from '../demo/promises.ts'
import { type LocalOptions, optionWords, runLocally } from './local.ts'

/**
 * `bitfleet demo`: one machine, first look. Differences are what it is for, so it exits 0 when it showed what it
 * promises, and 1 when it did not.
 */
export async function demo(options: LocalOptions): Promise<number> {
  const glibc = hasGlibcOnX64()
  const text = firstLook(await readFile(new URL('../demo/first-look.yaml', import.meta.url), 'utf8'), glibc)
  let code = 1
  const command = `bitfleet demo ${optionWords(options)}`
  await runLocally({ text, name: 'first-look.yaml', folder: process.cwd(), command }, options, (report) => {
    const promises = judgePromises(report, glibc)
    const talk = options.json ? process.stderr : process.stdout
    talk.write('\nThis machine showed:\n')
    for (const { title, shown } of promises)
      talk.write(`  ${shown ? '✓' : '✗'} ${title}${shown ? ` (${shown})` : ''}\n`)
    if (!glibc) talk.write("  – the C library's code paths: left out, they need the GNU C library on x86-64\n")
    code = promises.every(({ shown }) => shown) ? 0 : 1
  })
  return code
}

/** The demo's plan, up to the comment that says what needs the GNU C library on x86-64 where that is not here. */
export function firstLook(plan: string, glibc: boolean): string {
  const end = plan.search(/^ *# Left out without the GNU C library/m)
  return glibc ? plan : plan.slice(0, end)
}

function hasGlibcOnX64(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime !== undefined
}
