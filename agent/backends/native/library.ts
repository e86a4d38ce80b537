import koffi, { type LibraryHandle } from 'koffi'
import { messageOf } from '../../../shared/errors.ts'

/** A shared library in this process. Its functions are bound by C name and signature. */
export interface NativeLibrary {
  /** The name it was found by. */
  readonly name: string
  /** @throws if the library has no such symbol. */
  bind(symbol: string, result: NativeType, parameters: readonly NativeType[]): NativeFunction
  has(symbol: string): boolean
}

/** A bound function, to be cast to the signature it was bound with. */
export type NativeFunction = (...operands: never[]) => unknown

/** A type of the foreign-function interface: a C type's name, or one made by it. */
export type NativeType = Parameters<LibraryHandle['func']>[2]

/** The first of the candidates that the dynamic loader finds, or why none was. */
export function openLibrary(candidates: readonly (string | null)[]): NativeLibrary | { readonly absent: string } {
  const reasons: string[] = []
  for (const candidate of candidates) {
    try {
      return createLibrary(candidate ?? 'this process', koffi.load(candidate))
    } catch (error) {
      reasons.push(
        `${candidate ?? 'this process'}: ${messageOf(error).replace(/^Failed to load shared library: /, '')}`,
      )
    }
  }
  // One that is there and cannot be loaded tells more than those that are not.
  const reason = reasons.find((text) => !/no such file|not found/i.test(text)) ?? reasons[0]
  return { absent: reason ?? 'no library is known by a name on this system' }
}

export function isLibrary(found: NativeLibrary | { readonly absent: string }): found is NativeLibrary {
  return !('absent' in found)
}

function createLibrary(name: string, handle: LibraryHandle): NativeLibrary {
  return {
    name,
    bind: (symbol, result, parameters) => handle.func(symbol, result, [...parameters]),
    has(symbol) {
      try {
        handle.symbol(symbol)
        return true
      } catch {
        return false
      }
    },
  }
}

/** What a `const char *` function without arguments says; undefined where the library lacks it. */
export function readString(library: NativeLibrary, symbol: string): string | undefined {
  if (!library.has(symbol)) return undefined
  return (library.bind(symbol, 'const char *', []) as () => string | null)() ?? undefined
}

/** What an `int` function without arguments says; undefined where the library lacks it. */
export function readInteger(library: NativeLibrary, symbol: string, type: NativeType = 'int'): number | undefined {
  if (!library.has(symbol)) return undefined
  return Number((library.bind(symbol, type, []) as () => number | bigint)())
}
