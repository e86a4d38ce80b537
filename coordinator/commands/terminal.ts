/** Whether to colour what goes to a stream: a terminal that has colours, and NO_COLOR not set. */
export function usesColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && stream.hasColors()
}

export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
