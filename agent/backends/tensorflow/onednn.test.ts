import { describe, expect, it } from 'vitest'
import { instructionSets, parseOnednn } from './onednn.ts'

// As TensorFlow 2.21.0 and 2.15.1 print it, with lines of other origin between.

const newer = `a line of TensorFlow's
onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)
onednn_verbose,v1,info,cpu,runtime:threadpool,nthr:2
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with float16, Intel DL Boost and bfloat16 support 
onednn_verbose,v1,info,gpu,runtime:none
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind,memory_descriptors,attributes,auxiliary,problem_desc,exec_time
onednn_verbose,v1,primitive,create:cache_miss,cpu,matmul,brg_matmul:avx512_core,undef,src:f32::blocked:ab::f0 wei:f32::blocked:ab::f0,attr-scratchpad:user,,512x512:512x512,0.0168
onednn_verbose,v1,primitive,create:cache_hit,cpu,matmul,brg_matmul:avx512_core,undef,src:f32::blocked:ab::f0 wei:f32::blocked:ab::f0,attr-scratchpad:user,,512x512:512x512,0.0068
onednn_verbose,v1,primitive,create:cache_miss,cpu,convolution,brg_conv_fwd:avx512_core,forward_training,src:f32::blocked:acdb::f0,attr-scratchpad:user,alg:convolution_direct,mb4,0.109863
onednn_verbose,v1,primitive,exec,cpu,gemm_api,,undef,src_f32::blocked:ab:f0,,,192x256:256x128,11.9
`
const older = `onednn_verbose,info,oneDNN v3.2.1 (commit N/A)
onednn_verbose,info,cpu,runtime:threadpool,nthr:8
onednn_verbose,info,cpu,isa:Intel AVX2
onednn_verbose,create:cache_miss,cpu,reorder,jit:uni,undef,src_f32::blocked:cdba::f0 dst_f32::blocked:Acdb32a::f0,,,32x16x3x3,0.0620117
`

describe('what oneDNN prints', () => {
  it('is read in the words of its knobs', () => {
    expect(parseOnednn(newer)).toEqual({
      version: '3.7.3',
      instructions: 'AVX512_CORE_FP16',
      threads: 2,
      implementations: ['convolution forward_training brg_conv_fwd:avx512_core', 'matmul brg_matmul:avx512_core'],
    })
    expect(parseOnednn(older)).toEqual({
      version: '3.2.1',
      instructions: 'AVX2',
      threads: 8,
      implementations: ['reorder jit:uni'],
    })
  })

  it('is nothing where it printed nothing', () => {
    expect(parseOnednn('TF_Version 2.21.0\n')).toEqual({ implementations: [] })
  })

  it('keeps its own words for instructions not known here', () => {
    expect(parseOnednn('onednn_verbose,v1,info,cpu,isa:Intel AVX10\n').instructions).toBe('Intel AVX10')
    expect(instructionSets).not.toContain('Intel AVX10')
  })
})
