/** Values of `ONEDNN_MAX_CPU_ISA` on x86-64, from the oldest. */
export const instructionSets = [
  'SSE41',
  'AVX',
  'AVX2',
  'AVX2_VNNI',
  'AVX2_VNNI_2',
  'AVX512_CORE',
  'AVX512_CORE_VNNI',
  'AVX512_CORE_BF16',
  'AVX512_CORE_FP16',
  'AVX512_CORE_AMX',
  'AVX512_CORE_AMX_FP16',
] as const

/** How oneDNN prints them. @see oneDNN src/cpu/platform.cpp and cpu_isa_traits.cpp: `get_isa_info` */
const printed: Readonly<Record<string, (typeof instructionSets)[number]>> = {
  'Intel SSE4.1': 'SSE41',
  'Intel AVX': 'AVX',
  'Intel AVX2': 'AVX2',
  'Intel AVX2 with Intel DL Boost': 'AVX2_VNNI',
  'Intel AVX2 with Intel DL Boost, float16 and bfloat16 support': 'AVX2_VNNI_2',
  'Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions': 'AVX512_CORE',
  'Intel AVX-512 with Intel DL Boost': 'AVX512_CORE_VNNI',
  'Intel AVX-512 with Intel DL Boost and bfloat16 support': 'AVX512_CORE_BF16',
  'Intel AVX-512 with float16, Intel DL Boost and bfloat16 support': 'AVX512_CORE_FP16',
  'Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with bfloat16 and 8-bit integer support':
    'AVX512_CORE_AMX',
  'Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with bfloat16, float16 and 8-bit integer support':
    'AVX512_CORE_AMX_FP16',
}

/** What oneDNN has said of itself; each thing is left out where it did not. */
export interface OnednnReport {
  /** Such as `3.7.3`. */
  readonly version?: string
  /** The instructions it makes code for, as `ONEDNN_MAX_CPU_ISA` names them; else in its own words. */
  readonly instructions?: string
  /** Threads it was given. */
  readonly threads?: number
  /** Each implementation it took, once: `matmul brg_matmul:avx512_core`; sorted. */
  readonly implementations: readonly string[]
}

/**
 * Reads what oneDNN prints with `ONEDNN_VERBOSE=profile_create`. Lines of other origin between its own are passed over.
 *
 * @see https://uxlfoundation.github.io/oneDNN/dev_guide_verbose.html; before oneDNN 3.4 its lines have no `v1,primitive`
 */
export function parseOnednn(text: string): OnednnReport {
  const header = (pattern: RegExp) => pattern.exec(text)?.[1]?.trim()
  const instructions = header(/^onednn_verbose,(?:v1,)?info,cpu,isa:(.*)$/m)
  const threads = header(/^onednn_verbose,(?:v1,)?info,cpu,runtime:[^,]*,nthr:(\d+)$/m)
  const taken = text.matchAll(
    /^onednn_verbose,(?:v1,)?(?:primitive,)?create:cache_(?:miss|hit),cpu,([^,]+),([^,]+),([^,]*)/gm,
  )
  const implementations = [...taken].map(([, primitive, implementation, kind]) =>
    kind === 'undef' || kind === '' ? `${primitive} ${implementation}` : `${primitive} ${kind} ${implementation}`,
  )
  return {
    version: header(/^onednn_verbose,(?:v1,)?info,oneDNN v(\S+)/m),
    instructions: instructions === undefined ? undefined : (printed[instructions] ?? instructions),
    threads: threads === undefined ? undefined : Number(threads),
    implementations: [...new Set(implementations)].sort(),
  }
}
