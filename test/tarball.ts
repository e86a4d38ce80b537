import { gzipSync } from 'node:zlib'

export interface TarEntry {
  readonly path: string
  readonly bytes: Uint8Array
  readonly mode?: number
  /** Type flag; a plain file where it is left out. */
  readonly type?: string
}

/** A gzipped tar archive, for tests; names of over 100 bytes stand in an entry before, as pax or GNU tar have it. */
export function tarball(
  entries: readonly TarEntry[],
  longNames: 'pax' | 'gnu' = 'pax',
  finish: (bytes: Buffer) => Buffer = (bytes) => gzipSync(bytes),
): Buffer {
  const blocks = entries.flatMap((entry) => {
    if (Buffer.byteLength(entry.path) <= 100) return [entryOf(entry)]
    const before =
      longNames === 'pax'
        ? entryOf({ path: 'PaxHeader', bytes: Buffer.from(record(entry.path)), type: 'x' })
        : entryOf({ path: '././@LongLink', bytes: Buffer.from(`${entry.path}\0`), type: 'L' })
    return [before, entryOf({ ...entry, path: entry.path.slice(0, 100) })]
  })
  return finish(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

/** `LENGTH path=NAME LF`, whose length counts itself. */
function record(path: string): string {
  const rest = ` path=${path}\n`
  let length = rest.length
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length
  return `${length}${rest}`
}

function entryOf({ path, bytes, mode = 0o644, type = '0' }: TarEntry): Buffer {
  const header = Buffer.alloc(512)
  const put = (at: number, text: string) => header.write(text, at)
  put(0, path)
  put(100, `${mode.toString(8).padStart(7, '0')}\0`)
  put(108, '0000000\0')
  put(116, '0000000\0')
  put(124, `${bytes.byteLength.toString(8).padStart(11, '0')}\0`)
  put(136, '00000000000\0')
  put(148, '        ')
  put(156, type)
  put(257, 'ustar\0')
  put(263, '00')
  const sum = header.reduce((total, byte) => total + byte, 0)
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `)
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.byteLength % 512)) % 512)])
}
