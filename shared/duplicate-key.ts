/**
 * A key that one object of a JSON text has twice, or undefined. JSON.parse keeps the last of them and says nothing, so
 * two readers of one text may see different values.
 *
 * @param text valid JSON: parse it first
 */
export function duplicateKey(text: string): string | undefined {
  /** The keys of each object that is open; undefined for an open array. */
  const open: (Set<string> | undefined)[] = []
  let expectsKey = false
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        open.push(new Set())
        expectsKey = true
        break
      case '[':
        open.push(undefined)
        expectsKey = false
        break
      case '}':
      case ']':
        open.pop()
        expectsKey = false
        break
      case ',':
        expectsKey = open.at(-1) !== undefined
        break
      case '"': {
        const end = endOfString(text, at)
        const keys = open.at(-1)
        if (expectsKey && keys) {
          const key = JSON.parse(text.slice(at, end + 1)) as string
          if (keys.has(key)) return key
          keys.add(key)
        }
        expectsKey = false
        at = end
      }
    }
  }
  return undefined
}

/** Place of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}
