/** An element: its name, its own text and its children in order. Attributes are not kept. */
export interface XmlElement {
  readonly name: string
  readonly text: string
  readonly children: readonly XmlElement[]
}

const maxDepth = 64
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/**
 * Parses the plain XML that tools print: elements and text. Declarations and comments are passed over, entities beyond
 * the five of the standard stay as they are, nothing is ever fetched.
 *
 * @returns the root element; undefined where the text is not well formed
 */
export function parseXml(text: string): XmlElement | undefined {
  const token =
    /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<![^>]*>|<(\/?)([A-Za-z_][\w.:-]*)((?:"[^"]*"|'[^']*'|[^>"'])*?)(\/?)>|([^<]+)/gy
  type Open = { name: string; text: string; children: XmlElement[] }
  const root: Open = { name: '', text: '', children: [] }
  const stack: Open[] = [root]
  let at = 0
  for (const match of text.matchAll(token)) {
    at = match.index + match[0].length
    const [, closing, name, , empty, words] = match
    const top = stack.at(-1) as Open
    if (words !== undefined) {
      top.text += words
    } else if (name !== undefined && closing === '/') {
      if (stack.length === 1 || top.name !== name) return undefined
      stack.pop()
      ;(stack.at(-1) as Open).children.push({ ...top, text: decode(top.text).trim() })
    } else if (name !== undefined && empty === '/') {
      top.children.push({ name, text: '', children: [] })
    } else if (name !== undefined) {
      if (stack.length > maxDepth) return undefined
      stack.push({ name, text: '', children: [] })
    }
  }
  return at === text.length && stack.length === 1 && root.children.length === 1 ? root.children[0] : undefined
}

/** The text at a path of names below an element, each the first of its name; undefined where there is none. */
export function textAt(element: XmlElement, ...path: string[]): string | undefined {
  let found: XmlElement | undefined = element
  for (const name of path) found = found?.children.find((child) => child.name === name)
  return found?.text === '' ? undefined : found?.text
}

function decode(text: string): string {
  return text.replace(/&(lt|gt|amp|quot|apos);/g, (_, name: string) => entities[name] as string)
}
