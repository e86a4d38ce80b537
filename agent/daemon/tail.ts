/** The end of a stream, however much it brought. */
export interface Tail {
  push(chunk: Uint8Array): void
  /** The last whole lines, made safe to print: what steers a terminal is left out. */
  lines(count: number): string
}

/** @param maxBytes held; a line longer than this has lost its beginning */
export function createTail(maxBytes = 16 << 10): Tail {
  let held = Buffer.alloc(0)
  return {
    push(chunk) {
      held = Buffer.concat([held, chunk.subarray(Math.max(0, chunk.byteLength - maxBytes))])
      if (held.byteLength > maxBytes) held = held.subarray(held.byteLength - maxBytes)
    },
    lines: (count) => printable(held.toString('utf8')).trimEnd().split('\n').slice(-count).join('\n'),
  }
}

/** Text without escape sequences and control characters, but for line ends and tabs. */
function printable(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, '')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '')
}
