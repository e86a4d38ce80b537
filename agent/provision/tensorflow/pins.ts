import type { Package } from '../provider.ts'

// Pinned by the SHA-256 that PyPI and the SHA-512 that npm name. Of the wheels for several Pythons that of 3.11 stands
// here, which every version has: no Python ever loads it, only its shared libraries and headers are used.

/** tfjs-node's sources and JavaScript, what these import, and the headers of Node's C interface. */
export const bindingPackages = [
  {
    client: 'npm',
    name: '@tensorflow/tfjs-node',
    version: '4.22.0',
    file: 'tensorflow-tfjs-node-4.22.0.tgz',
    integrity: 'sha512-uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
  },
  {
    client: 'npm',
    name: 'node-api-headers',
    version: '1.9.0',
    file: 'node-api-headers-1.9.0.tgz',
    integrity: 'sha512-2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==',
  },
  {
    client: 'npm',
    name: 'google-protobuf',
    version: '3.21.4',
    file: 'google-protobuf-3.21.4.tgz',
    integrity: 'sha512-MnG7N936zcKTco4Jd2PX2U96Kf9PxygAPKBug+74LHzmHXmceN16MmRcdgZv+DGef/S9YvQAfRsNCn4cjf9yyQ==',
  },
] as const satisfies readonly Package[]

/** Wheels of `tensorflow-cpu` for Linux on x86-64, newest first. */
export const cpuWheels: readonly Wheel[] = [
  wheel(
    'tensorflow-cpu',
    '2.21.0',
    'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
    '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  ),
  wheel(
    'tensorflow-cpu',
    '2.20.0',
    'tensorflow_cpu-2.20.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    'cf756bbe2d256e942ab5d0ad2c858fb40017581494febdb4387c149b1afde780',
  ),
  wheel(
    'tensorflow-cpu',
    '2.19.1',
    'tensorflow_cpu-2.19.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '0b6d72bd09c267e7573757bd309f5b1e2cdb02577339991da751f3a1411e4dae',
  ),
  wheel(
    'tensorflow-cpu',
    '2.19.0',
    'tensorflow_cpu-2.19.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '9389305ae3012288a5e367081b6757bfb9d86d4048c69989c659830b257e1c51',
  ),
  wheel(
    'tensorflow-cpu',
    '2.18.1',
    'tensorflow_cpu-2.18.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298',
  ),
  wheel(
    'tensorflow-cpu',
    '2.18.0',
    'tensorflow_cpu-2.18.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '089e71746960ea581dca53401f84b3b99c8537313e337a9e5dbf97036a936f7e',
  ),
  wheel(
    'tensorflow-cpu',
    '2.17.1',
    'tensorflow_cpu-2.17.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '4935d35d15924602605c839cb6cd5a578f89f626d8736f62065fe3a089b63b6f',
  ),
  wheel(
    'tensorflow-cpu',
    '2.17.0',
    'tensorflow_cpu-2.17.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    'e7f383ffe153d67de338b0fc26ab44546466ec016fe4dbff74bfd206d1894285',
  ),
  wheel(
    'tensorflow-cpu',
    '2.16.2',
    'tensorflow_cpu-2.16.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    'c855cb6bf05d32dd5928086b03a5f6b4189b63c22b95e017703cbee4291023ca',
  ),
  wheel(
    'tensorflow-cpu',
    '2.16.1',
    'tensorflow_cpu-2.16.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '8fde4a1a1515f3099119c2d71e1653aa6e7ae81ec58b7cb045cab5e5bb147b8b',
  ),
  wheel(
    'tensorflow-cpu',
    '2.15.1',
    'tensorflow_cpu-2.15.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26',
  ),
  wheel(
    'tensorflow-cpu',
    '2.15.0',
    'tensorflow_cpu-2.15.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    'f46c795177f6311c83562e05d38dc7d4618f8d3150e6902a4499b875f3f97270',
  ),
  wheel(
    'tensorflow-cpu',
    '2.14.1',
    'tensorflow_cpu-2.14.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '7f9d705b4d57acc5835de9d926515a70535e3a178a89ad59f0d380503b69f705',
  ),
  wheel(
    'tensorflow-cpu',
    '2.14.0',
    'tensorflow_cpu-2.14.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    '8886642da74839b6cadcbc2f748ebdfc20e83b71f2069686485f9a186bff1b07',
  ),
]

/** What a build for NVIDIA's GPUs is made from: the wheel of `tensorflow`, and those of the libraries it opens. */
export const gpuWheels: readonly (Wheel & { readonly libraries: readonly Wheel[] })[] = [
  {
    ...wheel(
      'tensorflow',
      '2.21.0',
      'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
      '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
    ),
    libraries: [
      wheel(
        'nvidia-cublas-cu12',
        '12.9.3.13',
        'nvidia_cublas_cu12-12.9.3.13-py3-none-manylinux_2_27_x86_64.whl',
        'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72',
      ),
      wheel(
        'nvidia-cuda-cupti-cu12',
        '12.8.90',
        'nvidia_cuda_cupti_cu12-12.8.90-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182',
      ),
      wheel(
        'nvidia-cuda-nvcc-cu12',
        '12.9.86',
        'nvidia_cuda_nvcc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
        '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0',
      ),
      wheel(
        'nvidia-cuda-nvrtc-cu12',
        '12.9.86',
        'nvidia_cuda_nvrtc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
        '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
      ),
      wheel(
        'nvidia-cuda-runtime-cu12',
        '12.9.79',
        'nvidia_cuda_runtime_cu12-12.9.79-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
      ),
      wheel(
        'nvidia-cudnn-cu12',
        '9.28.0.42',
        'nvidia_cudnn_cu12-9.28.0.42-py3-none-manylinux_2_27_x86_64.whl',
        '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375',
      ),
      wheel(
        'nvidia-cufft-cu12',
        '11.4.1.4',
        'nvidia_cufft_cu12-11.4.1.4-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
      ),
      wheel(
        'nvidia-curand-cu12',
        '10.3.10.19',
        'nvidia_curand_cu12-10.3.10.19-py3-none-manylinux_2_27_x86_64.whl',
        '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e',
      ),
      wheel(
        'nvidia-cusolver-cu12',
        '11.7.5.82',
        'nvidia_cusolver_cu12-11.7.5.82-py3-none-manylinux_2_27_x86_64.whl',
        '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
      ),
      wheel(
        'nvidia-cusparse-cu12',
        '12.5.10.65',
        'nvidia_cusparse_cu12-12.5.10.65-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
      ),
      wheel(
        'nvidia-nccl-cu12',
        '2.32.3',
        'nvidia_nccl_cu12-2.32.3-py3-none-manylinux_2_27_x86_64.whl',
        'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c',
      ),
      wheel(
        'nvidia-nvjitlink-cu12',
        '12.9.86',
        'nvidia_nvjitlink_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
        'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
      ),
    ],
  },
  {
    ...wheel(
      'tensorflow',
      '2.18.1',
      'tensorflow-2.18.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
      'c9f87e5d2a680a4595f5dc30daf6bbaec9d4129b46d7ef1b2af63c46ac7d2828',
    ),
    libraries: [
      wheel(
        'nvidia-cublas-cu12',
        '12.5.3.2',
        'nvidia_cublas_cu12-12.5.3.2-py3-none-manylinux2014_x86_64.whl',
        'ca070ad70e9fa6654084575d01bd001f30cc4665e33d4bb9fc8e0f321caa034b',
      ),
      wheel(
        'nvidia-cuda-cupti-cu12',
        '12.5.82',
        'nvidia_cuda_cupti_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
        'bde77a5feb66752ec61db2adfe47f56b941842825b4c7e2068aff27c9d107953',
      ),
      wheel(
        'nvidia-cuda-nvcc-cu12',
        '12.5.82',
        'nvidia_cuda_nvcc_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
        'b03e545b8e8c3ce7ebcd7fc44063180ff52ff01d064ece2127ed90a04ef12cd0',
      ),
      wheel(
        'nvidia-cuda-nvrtc-cu12',
        '12.5.82',
        'nvidia_cuda_nvrtc_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
        '3dbd97b0104b4bfbc3c4f8c79cd2496307c89c43c29a9f83125f1d76296ff3fd',
      ),
      wheel(
        'nvidia-cuda-runtime-cu12',
        '12.5.82',
        'nvidia_cuda_runtime_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
        '3e79a060e126df40fd3a068f3f787eb000fa51b251ec6cd97d09579632687115',
      ),
      wheel(
        'nvidia-cudnn-cu12',
        '9.3.0.75',
        'nvidia_cudnn_cu12-9.3.0.75-py3-none-manylinux2014_x86_64.whl',
        '9ad9c6929ebb5295eb4a1728024666d1c88283373e265a0c5c883e6f9d5cd76d',
      ),
      wheel(
        'nvidia-cufft-cu12',
        '11.2.3.61',
        'nvidia_cufft_cu12-11.2.3.61-py3-none-manylinux2014_x86_64.whl',
        '9a6e8df162585750f61983a638104a48c756aa13f9f48e19ab079b38e3c828b8',
      ),
      wheel(
        'nvidia-curand-cu12',
        '10.3.6.82',
        'nvidia_curand_cu12-10.3.6.82-py3-none-manylinux2014_x86_64.whl',
        '2823fb27de4e44dbb22394a6adf53aa6e1b013aca0f8c22867d1cfae58405536',
      ),
      wheel(
        'nvidia-cusolver-cu12',
        '11.6.3.83',
        'nvidia_cusolver_cu12-11.6.3.83-py3-none-manylinux2014_x86_64.whl',
        '93cfafacde4428b71778eeb092ec615a02a3d05404da1bcf91c53e3fa1bce42b',
      ),
      wheel(
        'nvidia-cusparse-cu12',
        '12.5.1.3',
        'nvidia_cusparse_cu12-12.5.1.3-py3-none-manylinux2014_x86_64.whl',
        '016df8e993c437e8301e62739f01775cba988fd5253cd4c64173f8e8d2f8e752',
      ),
      wheel(
        'nvidia-nccl-cu12',
        '2.21.5',
        'nvidia_nccl_cu12-2.21.5-py3-none-manylinux2014_x86_64.whl',
        '8579076d30a8c24988834445f8d633c697d42397e92ffc3f63fa26766d25e0a0',
      ),
      wheel(
        'nvidia-nvjitlink-cu12',
        '12.5.82',
        'nvidia_nvjitlink_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
        'f9b37bc5c8cf7509665cb6ada5aaa0ce65618f2332b7d3e78e9790511f111212',
      ),
    ],
  },
]

export type Wheel = Package & { readonly client: 'pip' }

function wheel(name: string, version: string, file: string, sha256: string): Wheel {
  return { client: 'pip', name, version, file, integrity: `sha256:${sha256}` }
}
