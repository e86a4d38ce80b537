import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/**
 * Writes one section of a Markdown file that scripts keep: what stands between `<!-- begin NAME -->` and
 * `<!-- end NAME -->`. A section that the file lacks is added at its end.
 *
 * @param text Markdown, without the markers
 */
export function writeSection(file: string, name: string, text: string): void {
  const old = existsSync(file) ? readFileSync(file, 'utf8') : ''
  writeFileSync(file, withSection(old, name, text))
}

/** @throws Error if one marker stands without the other */
export function withSection(old: string, name: string, text: string): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`]
  const section = `${begin}\n${text.trim()}\n${end}`
  const [from, to] = [old.indexOf(begin), old.indexOf(end)]
  if (from === -1 && to === -1) return `${old.trimEnd()}${old.trim() === '' ? '' : '\n\n'}${section}\n`
  if (from === -1 || to < from) throw new Error(`the section ${name} has one marker without the other`)
  return old.slice(0, from) + section + old.slice(to + end.length)
}

/** A Markdown table, its columns padded as the formatter does: the head, then the rows. */
export function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = [head, ...rows.map((row) => row.map(String))]
  const widths = head.map((_, i) => Math.max(3, ...texts.map((row) => (row[i] ?? '').length)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(head), rule, ...texts.slice(1).map(line)].join('\n')
}
