import { readFile } from 'node:fs/promises'
import { judgePromises } from '../demo/promises.ts'
import { type LocalOptions, runLocally } from './local.ts'

/**
 * `bitfleet demo`: one machine, first look. Differences are what it is for, so it exits 0 when it showed what it
 * promises, and 1 when it did not.
 */
export async function demo(options: LocalOptions): Promise<number> {
  const glibc = hasGlibcOnX64()
  const text = (await plan('first-look.yaml')) + (glibc ? await plan('first-look.glibc.yaml') : '')
  let code = 1
  await runLocally({ text, name: 'first-look.yaml', folder: process.cwd() }, options, (report) => {
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

function plan(name: string): Promise<string> {
  return readFile(new URL(`../demo/${name}`, import.meta.url), 'utf8')
}

function hasGlibcOnX64(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime !== undefined
}
