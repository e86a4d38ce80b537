// Models of one or a few operations, written as ONNX's protocol buffers have it; no library makes them, so nothing but
// the runtime decides how they are computed.
// @see onnx.proto3 of ONNX 1.16, https://protobuf.dev/programming-guides/encoding/

/** Versions of the format and of the operators: LayerNormalization came with operator set 17. */
const irVersion = 8
const opset = 17

/** `TensorProto.DataType` */
export const elementTypes = { f32: 1, f16: 10, f64: 11 } as const
export type OnnxDType = keyof typeof elementTypes

export type Attribute =
  | { readonly name: string; readonly float: number }
  | { readonly name: string; readonly int: number }
  | { readonly name: string; readonly ints: readonly number[] }

export interface Node {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: readonly Attribute[]
}

export interface Value {
  readonly name: string
  readonly rank: number
}

/** A tensor of binary32 that the graph holds. */
export interface Constant {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

export interface Graph {
  readonly dtype: OnnxDType
  readonly nodes: readonly Node[]
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  readonly constants?: readonly Constant[]
}

/** A graph as the bytes of a `ModelProto`. Extents are symbols, so that one graph does for every shape. */
export function encodeModel({ dtype, nodes, inputs, outputs, constants = [] }: Graph): Uint8Array {
  const graph = message([
    ...nodes.map((node, i) => bytesField(1, encodeNode(node, `${node.op}_${i}`))),
    textField(2, 'g'),
    ...constants.map((constant) => bytesField(5, encodeConstant(constant))),
    ...inputs.map((value) => bytesField(11, encodeValue(value, dtype))),
    ...outputs.map((value) => bytesField(12, encodeValue(value, dtype))),
  ])
  return message([
    intField(1, irVersion),
    textField(2, 'bitfleet'),
    bytesField(7, graph),
    bytesField(8, message([textField(1, ''), intField(2, opset)])),
  ])
}

function encodeNode({ op, inputs, outputs, attributes = [] }: Node, name: string): Uint8Array {
  return message([
    ...inputs.map((name) => textField(1, name)),
    ...outputs.map((name) => textField(2, name)),
    textField(3, name),
    textField(4, op),
    ...attributes.map((attribute) => bytesField(5, encodeAttribute(attribute))),
  ])
}

/** `AttributeProto`: the type, and the field that goes with it. */
function encodeAttribute(attribute: Attribute): Uint8Array {
  const name = textField(1, attribute.name)
  if ('float' in attribute) return message([name, floatField(2, attribute.float), intField(20, 1)])
  if ('int' in attribute) return message([name, intField(3, attribute.int), intField(20, 2)])
  return message([name, ...attribute.ints.map((int) => intField(8, int)), intField(20, 7)])
}

function encodeConstant({ name, shape, values }: Constant): Uint8Array {
  const raw = new Uint8Array(Float32Array.from(values).buffer)
  return message([
    ...shape.map((extent) => intField(1, extent)),
    intField(2, elementTypes.f32),
    textField(8, name),
    bytesField(9, raw),
  ])
}

function encodeValue({ name, rank }: Value, dtype: OnnxDType): Uint8Array {
  const extents = Array.from({ length: rank }, (_, i) => bytesField(1, textField(2, `${name}_${i}`)))
  const tensor = message([intField(1, elementTypes[dtype]), bytesField(2, message(extents))])
  return message([textField(1, name), bytesField(2, bytesField(1, tensor))])
}

function message(fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields)
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.byteLength), bytes])
}

const textField = (field: number, text: string) => bytesField(field, Buffer.from(text))
const intField = (field: number, value: number) => Buffer.concat([varint(field << 3), varint(value)])

function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([varint((field << 3) | 5), bytes])
}

/** Base 128, the lowest digit first; a negative number as 64 bits in two's complement. */
function varint(value: number): Uint8Array {
  const digits: number[] = []
  let left = BigInt.asUintN(64, BigInt(value))
  do {
    const digit = Number(left & 0x7fn)
    left >>= 7n
    digits.push(left === 0n ? digit : digit | 0x80)
  } while (left !== 0n)
  return Uint8Array.from(digits)
}
