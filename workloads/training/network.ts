/** A trained tensor. Kernels are [in, out], or HWIO; `fanIn` inputs reach each output, and a bias has none. */
export interface Parameter {
  /** Such as `conv1/kernel`. */
  readonly name: string
  readonly shape: readonly number[]
  readonly fanIn: number
}

/** One operation of a network, named as its checkpoints are; `shape` is that of its result for one image. */
export interface Layer {
  readonly kind: 'dense' | 'convolution' | 'relu' | 'pool' | 'dropout'
  readonly name: string
  readonly shape: readonly number[]
  readonly parameters: readonly Parameter[]
}

/** Operations one after another, from an image of shape `input` (one image) to the logits. */
export interface Network {
  readonly input: readonly number[]
  readonly layers: readonly Layer[]
}

/** Images as rows of 64 pixels; one hidden layer. */
export function createPerceptron(hidden: number, pixels: number, classes: number): Network {
  return {
    input: [pixels],
    layers: [
      dense('dense1', pixels, hidden),
      { kind: 'relu', name: 'relu1', shape: [hidden], parameters: [] },
      { kind: 'dropout', name: 'dropout1', shape: [hidden], parameters: [] },
      dense('dense2', hidden, classes),
    ],
  }
}

/** Two convolutions of 3×3 without padding, the second with twice the channels, 2×2 maxima, one dense layer. */
export function createConvolutional(channels: number, side: number, classes: number): Network {
  const inner = side - 2
  const last = side - 4
  const pooled = [last / 2, last / 2, 2 * channels]
  return {
    input: [side, side, 1],
    layers: [
      convolution('conv1', [inner, inner], 1, channels),
      { kind: 'relu', name: 'relu1', shape: [inner, inner, channels], parameters: [] },
      convolution('conv2', [last, last], channels, 2 * channels),
      { kind: 'relu', name: 'relu2', shape: [last, last, 2 * channels], parameters: [] },
      { kind: 'pool', name: 'pool1', shape: pooled, parameters: [] },
      { kind: 'dropout', name: 'dropout1', shape: pooled, parameters: [] },
      dense('dense1', (last / 2) ** 2 * 2 * channels, classes),
    ],
  }
}

function dense(name: string, inputs: number, outputs: number): Layer {
  return { kind: 'dense', name, shape: [outputs], parameters: parameters(name, [inputs, outputs], inputs) }
}

function convolution(name: string, size: readonly [number, number], inputs: number, outputs: number): Layer {
  const shape = [...size, outputs]
  return { kind: 'convolution', name, shape, parameters: parameters(name, [3, 3, inputs, outputs], 9 * inputs) }
}

function parameters(name: string, shape: readonly number[], fanIn: number): Parameter[] {
  return [
    { name: `${name}/kernel`, shape, fanIn },
    { name: `${name}/bias`, shape: shape.slice(-1), fanIn: 0 },
  ]
}

export function parametersOf(network: Network): Parameter[] {
  return network.layers.flatMap((layer) => layer.parameters)
}
