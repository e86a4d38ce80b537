/** A path of this server to go to, or undefined for what leads elsewhere, such as `//evil.example` or `/\evil.example`. */
export function localPath(text: string): string | undefined {
  if (!text.startsWith('/')) return undefined
  const base = 'http://here.invalid'
  if (!URL.canParse(text, base)) return undefined
  const { origin, pathname, search, hash } = new URL(text, base)
  // What is left after parsing is parsed again by the browser: `/.//evil.example` must not become `//evil.example`.
  return origin === base && !pathname.startsWith('//') ? pathname + search + hash : undefined
}
