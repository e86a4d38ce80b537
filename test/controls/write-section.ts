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

/** A Markdown table: the head, then the rows. */
export function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
