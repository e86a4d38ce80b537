/** Libraries whose version or build can change bits, by what their file name says. */
const numericLibraries: Readonly<Record<string, RegExp>> = {
  'C mathematics': /^libm(?:vec)?[.-]/,
  'C library': /^(?:libc[.-]|ld-musl-)/,
  BLAS: /^lib(?:scipy_|flexi)?(?:open)?blas|^libblis|^libatlas|^libcblas|^libsatlas|^libtatlas|^libarmpl|^libaoclblas/,
  LAPACK: /^liblapacke?[.-]|^libflame/,
  'Intel MKL and oneDNN': /^libmkl_|^libdnnl|^libonednn|^libmklml|^libsvml|^libimf|^libintlc/,
  'AMD libm': /^libalm|^libamdlibm/,
  threads: /^lib[ig]?omp(?:5|[.-])|^libtbb|^libpthreadpool/,
  frameworks: /^libtensorflow|^libtorch|^libc10|^libonnx|^libxla|^libjax|^libggml|^libtvm/,
  CUDA: /^libcuda[.-]|^libcudart|^libcublas|^libcudnn|^libcufft|^libcurand|^libcusolver|^libcusparse|^libnv(?:rtc|-ptx|JitLink|idia-ptx)/,
  ROCm: /^libamdhip|^librocblas|^libhipblas|^libMIOpen|^librocfft|^libhsa-runtime/,
  OpenCL: /^libOpenCL|^libpocl|^libigdrcl|^libnvidia-opencl/,
  Vulkan: /^libvulkan|^libdawn|^libllvmpipe|^libvulkan_/,
  'compiler runtime': /^libgfortran|^libquadmath|^libflang/,
  'node add-ons': /(?:tfjs|tensorflow|onnxruntime|dawn|torch|blas|numeric|openvino)[^/]*\.node$/,
}

const addOnFolders = /\/(?:@tensorflow|onnxruntime-node|webgpu|dawn)\/.*\.node$/

/** Whether a shared object of this path can change what is computed. */
export function isNumericLibrary(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return addOnFolders.test(path) || Object.values(numericLibraries).some((pattern) => pattern.test(name))
}

/**
 * The numeric libraries a process has mapped, from the text of `/proc/PID/maps`: each path once, sorted. A library that
 * was replaced on disk while in use keeps its ` (deleted)`: the file there is no longer the one that computes.
 *
 * @see proc_pid_maps(5)
 */
export function parseMaps(text: string): string[] {
  const paths = new Set<string>()
  for (const line of text.split('\n')) {
    const path = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s+(\/.*)$/.exec(line)?.[1]
    if (path === undefined) continue
    const file = path.replace(/ \(deleted\)$/, '')
    if (/\.(?:so(?:\.[0-9.]+)?|node|dylib)$/.test(file) && isNumericLibrary(file)) paths.add(path)
  }
  return [...paths].sort()
}
