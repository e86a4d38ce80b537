import { alignedCopy, bytesOf, createTensor, dtypeBytes, elementCount, type Tensor } from '../../../../shared/tensor.ts'
import { messageOf } from '../../../../shared/errors.ts'
import { type ElementaryFunction, type Kernels, unsupported, type Unsupported } from '../../../../workloads/kernels.ts'
import { type Attribute, encodeModel, type OnnxDType } from './model.ts'
import type { OnnxRuntime, OnnxTensor, SessionOptions } from './runtime.ts'

/** The operators that are elementary functions. */
const elementaryOps: Partial<Record<ElementaryFunction, string>> = {
  exp: 'Exp',
  log: 'Log',
  sin: 'Sin',
  cos: 'Cos',
  tan: 'Tan',
  asin: 'Asin',
  acos: 'Acos',
  atan: 'Atan',
  sinh: 'Sinh',
  cosh: 'Cosh',
  tanh: 'Tanh',
  sqrt: 'Sqrt',
  pow: 'Pow',
}

const typeNames: Record<OnnxDType, string> = { f16: 'float16', f32: 'float32', f64: 'float64' }

interface Operation {
  readonly op: string
  readonly operands: readonly Tensor[]
  readonly shape: readonly number[]
  readonly attributes?: readonly Attribute[]
}

/** Each kernel is one operator of ONNX in a graph of its own, so that what is compared is how the runtime computes it. */
export function createOnnxKernels(ort: OnnxRuntime, options: SessionOptions): Kernels {
  const compute = (operation: Operation) => run(ort, options, operation)
  const whole: readonly Attribute[] = [{ name: 'keepdims', int: 0 }]
  return {
    sum: (x) => compute({ op: 'ReduceSum', operands: [x], shape: [], attributes: whole }),
    dot: (x, y) => compute({ op: 'MatMul', operands: [x, y], shape: [] }),
    norm2: (x) => compute({ op: 'ReduceL2', operands: [x], shape: [], attributes: whole }),
    gemv: (a, x) => compute({ op: 'MatMul', operands: [a, x], shape: a.shape.slice(0, 1) }),
    gemm: (a, b) => compute({ op: 'MatMul', operands: [a, b], shape: [a.shape[0] ?? 0, b.shape[1] ?? 0] }),
    elementary(name, x, y) {
      const op = elementaryOps[name]
      if (op === undefined) return unsupported(`ONNX has no operator for ${name}`)
      return compute({ op, operands: y === undefined ? [x] : [x, y], shape: x.shape })
    },
    softmax: (x) => compute({ op: 'Softmax', operands: [x], shape: x.shape, attributes: [{ name: 'axis', int: -1 }] }),
    layernorm: (x, gain, bias, epsilon) =>
      compute({
        op: 'LayerNormalization',
        operands: [x, gain, bias],
        shape: x.shape,
        attributes: [
          { name: 'axis', int: -1 },
          { name: 'epsilon', float: epsilon },
        ],
      }),
    // ONNX has channels before rows: what is moved to and fro is moved here, as bytes, and not by its graph.
    async conv2d(x, kernel) {
      const [b = 0, h = 0, w = 0] = x.shape
      const [kh = 0, kw = 0, , d = 0] = kernel.shape
      const shape = [b, d, h - kh + 1, w - kw + 1]
      const result = await compute({
        op: 'Conv',
        operands: [transpose(x, [0, 3, 1, 2]), transpose(kernel, [3, 2, 0, 1])],
        shape,
      })
      return 'unsupported' in result ? result : transpose(result, [0, 2, 3, 1])
    },
  }
}

async function run(
  ort: OnnxRuntime,
  options: SessionOptions,
  { op, operands, shape, attributes = [] }: Operation,
): Promise<Tensor | Unsupported> {
  const [{ dtype }] = operands as [Tensor]
  if (!(dtype in typeNames)) return unsupported(`onnxruntime-node has no tensors of ${dtype}`)
  const type = dtype as OnnxDType
  const names = operands.map((_, i) => `x${i}`)
  const model = encodeModel({
    dtype: type,
    nodes: [{ op, inputs: names, outputs: ['y'], attributes }],
    inputs: operands.map((operand, i) => ({ name: `x${i}`, rank: operand.shape.length })),
    outputs: [{ name: 'y', rank: shape.length }],
  })
  const session = await ort.InferenceSession.create(model, options).catch((error: unknown) => {
    const reason = messageOf(error)
    // The runtime's words for an operator that its processor's provider does not have in this type.
    if (/NOT_IMPLEMENTED|Could not find an implementation|Type Error: Type 'tensor\(/.test(reason))
      return unsupported(reason)
    throw error
  })
  if ('unsupported' in session) return session
  try {
    const feeds = Object.fromEntries(operands.map((operand, i) => [`x${i}`, tensorOf(ort, type, operand)]))
    const { y } = await session.run(feeds).catch((error: unknown) => {
      // What versions before 1.18 say of a type that their binding does not pass on.
      if (!/must be a typed array \(-1\)/.test(messageOf(error))) throw error
      return { y: undefined }
    })
    if (y === undefined) return unsupported(`this version of onnxruntime-node passes no tensors of ${dtype}`)
    return createTensor(dtype, shape, Uint8Array.from(bytesOf(y.data)))
  } finally {
    await session.release()
  }
}

function tensorOf(ort: OnnxRuntime, dtype: OnnxDType, { bytes, shape }: Tensor): OnnxTensor {
  const buffer = alignedCopy(bytes)
  const View = { f16: Uint16Array, f32: Float32Array, f64: Float64Array }[dtype]
  return new ort.Tensor(typeNames[dtype], new View(buffer, 0, elementCount(shape)), shape)
}

/** Moves bytes: axis i of the result is axis `axes[i]` of the operand. */
function transpose({ dtype, shape, bytes }: Tensor, axes: readonly number[]): Tensor {
  const size = dtypeBytes[dtype]
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)))
  const extents = axes.map((axis) => shape[axis] ?? 0)
  const moved = new Uint8Array(bytes.byteLength)
  const index = axes.map(() => 0)
  for (let at = 0; at < moved.byteLength; at += size) {
    const from = index.reduce((sum, i, axis) => sum + i * (strides[axes[axis] as number] as number), 0) * size
    for (let i = 0; i < size; i++) moved[at + i] = bytes[from + i] as number
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis] = ((index[axis] as number) + 1) % (extents[axis] as number)
      if (index[axis] !== 0) break
    }
  }
  return createTensor(dtype, extents, moved)
}
