// A backend of one's own: sums of binary32, in an accumulator of binary32 or of binary64.
const unsupported = (reason) => ({ unsupported: reason })

const wideSum = {
  id: 'wide-sum',
  title: 'Sums with a wide accumulator',
  kernels: ['sum'],
  knobs: [
    {
      name: 'accumulator',
      description: 'format in which partial sums are kept',
      source: 'IF.rounding', // its class in the literature
      pattern: '^(binary32|binary64)$', // anchored at both ends; a plan's values are checked against it
      values: 'binary32, binary64', // the same in words
      override: false, // true where it chooses another processor's code path
      apply: { by: 'env', variable: 'WIDE_SUM_ACCUMULATOR', template: '%s' },
    },
  ],

  // Whether it runs here, at what version; or { status: 'unavailable', reason, add: 'the one command that adds it' }.
  async detect() {
    return { status: 'ready', version: '1.0.0' }
  },

  // In a runner process of its own. A library would be loaded here; what is applied by environment is in force already.
  async open() {
    const accumulator = process.env.WIDE_SUM_ACCUMULATOR ?? 'binary64'
    const add = accumulator === 'binary64' ? (a, b) => a + b : (a, b) => Math.fround(a + b)
    return {
      version: '1.0.0',
      kernels: {
        // A tensor is { dtype, shape, bytes }; bytes are little-endian, in C order, at any alignment.
        sum({ dtype, bytes }) {
          if (dtype !== 'f32') return unsupported(`wide-sum has no ${dtype}`)
          const elements = new Float32Array(bytes.slice().buffer)
          const sum = elements.length === 0 ? 0 : elements.reduce(add)
          return { dtype, shape: [], bytes: new Uint8Array(Float32Array.of(sum).buffer) }
        },
      },
      async effective() {
        return { settings: { accumulator }, facts: {}, notes: [] }
      },
      async close() {},
    }
  },
}

export const backends = [wideSum]
