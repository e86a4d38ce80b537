/** Fields of `ModelProto`, `GraphProto` and `NodeProto` on the way to an operator's name. */
const graphField = 7
const nodeField = 1
const operatorField = 4

/**
 * The operators of a model's graph, in its order.
 *
 * @throws RangeError where the bytes are no protocol buffer
 */
export function operatorsOf(model: Uint8Array): string[] {
  return fieldsOf(model, graphField)
    .flatMap((graph) => fieldsOf(graph, nodeField))
    .flatMap((node) => fieldsOf(node, operatorField))
    .map((name) => Buffer.from(name).toString('utf8'))
}

/** The byte strings that a message has under a field. */
function fieldsOf(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const digit = message[at++]
      if (digit === undefined || shift > 63) throw new RangeError('a number of a protocol buffer has no end')
      value += (digit & 0x7f) * 2 ** shift
      if (digit < 0x80) return value
    }
  }
  while (at < message.byteLength) {
    const key = varint()
    const [field, wire] = [Math.floor(key / 8), key % 8]
    if (wire === 0) varint()
    else if (wire === 1) at += 8
    else if (wire === 5) at += 4
    else if (wire === 2) {
      const length = varint()
      if (at + length > message.byteLength) throw new RangeError('a field of a protocol buffer goes past its end')
      if (field === wanted) found.push(message.subarray(at, at + length))
      at += length
    } else throw new RangeError(`wire type ${wire} of a protocol buffer is none`)
  }
  return found
}
