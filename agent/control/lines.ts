import { StringDecoder } from 'node:string_decoder'

/** Cuts a stream into lines. @returns takes a chunk, gives the lines it ends; undefined once one is too long */
export function createLineCutter(maxBytes: number): (chunk: Buffer) => string[] | undefined {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let tooLong = false
  return (chunk) => {
    const parts = (rest + decoder.write(chunk)).split('\n')
    rest = parts.pop() as string
    tooLong ||= [rest, ...parts].some((line) => Buffer.byteLength(line) > maxBytes)
    return tooLong ? undefined : parts
  }
}
