/** The part of the WebAssembly API that is used here; Node's type definitions have none of it. */
interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean
  instantiate(source: unknown, imports?: unknown): Promise<unknown>
}

const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly

/** `() -> v128`: i32.const 0; i8x16.splat; i8x16.popcnt: valid only where SIMD is. */
const simdModule = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
)

export function hasWasmSimd(): boolean {
  return webAssembly.validate(simdModule)
}

/**
 * The bytes of every module that is instantiated while `start` runs: what was really loaded, whatever was asked for.
 */
export async function watchInstantiation(start: () => Promise<unknown>): Promise<Uint8Array[]> {
  const seen: Uint8Array[] = []
  const { instantiate } = webAssembly
  webAssembly.instantiate = (source, imports) => {
    if (ArrayBuffer.isView(source)) seen.push(new Uint8Array(source.buffer, source.byteOffset, source.byteLength))
    else if (source instanceof ArrayBuffer) seen.push(new Uint8Array(source))
    return instantiate(source, imports)
  }
  try {
    await start()
  } finally {
    webAssembly.instantiate = instantiate
  }
  return seen
}
