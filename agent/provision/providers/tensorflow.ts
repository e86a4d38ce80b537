import { wholeProduct, wholeSum } from '../known-answers.ts'
import type { Machine, Provider, Version } from '../provider.ts'
import { compiler, makeTensorflow } from '../tensorflow/make.ts'
import { bindingPackages, cpuWheels, gpuWheels, type Wheel } from '../tensorflow/pins.ts'

// TensorFlow as its project builds it for Python, opened by tfjs-node's binding.

export const tensorflow: Provider = {
  id: 'tensorflow',
  title: 'TensorFlow on processors',
  versions: (machine) => cpuWheels.map((wheel) => versionOf(wheel, [], 900_000_000, machine)),
  async install(version, place) {
    const wheel = cpuWheels.find((candidate) => candidate.version === version.version) as Wheel
    await makeTensorflow(wheel, [], place)
    return runnerOf('tensorflow', version)
  },
  programs: [compiler],
  answers: [wholeSum, wholeProduct],
}

/** The same for NVIDIA's GPUs, with the libraries of CUDA and cuDNN that its wheel names. */
export const tensorflowGpu: Provider = {
  id: 'tensorflow-gpu',
  title: 'TensorFlow, built for NVIDIA GPUs',
  versions: (machine) =>
    gpuWheels.map(({ libraries, ...wheel }) => versionOf(wheel, libraries, 8_000_000_000, machine)),
  async install(version, place) {
    const { libraries, ...wheel } = gpuWheels.find(
      (candidate) => candidate.version === version.version,
    ) as (typeof gpuWheels)[number]
    await makeTensorflow(wheel, libraries, place)
    return runnerOf('tensorflow-gpu', version)
  },
  programs: [compiler],
  answers: [wholeSum, wholeProduct],
}

function runnerOf(driver: string, { id }: Version) {
  const argv = ['{program}/agent/runner/main.js', '--installed', driver, `${driver}@${id}`, '{folder}']
  return { kind: 'node', argv } as const
}

function versionOf(wheel: Wheel, libraries: readonly Wheel[], installedBytes: number, machine: Machine): Version {
  const { version } = wheel
  const base = { id: version, version, installedBytes }
  const unsupported = reasonAgainst(wheel, machine)
  if (unsupported !== undefined) return { ...base, packages: [], unsupported }
  return { ...base, packages: [wheel, ...libraries, ...bindingPackages] }
}

function reasonAgainst({ file }: Wheel, { platform, arch, glibc }: Machine): string | undefined {
  if (platform !== 'linux' || arch !== 'x64') {
    return `TensorFlow's wheels are pinned for Linux on x64, and this is ${platform} on ${arch}`
  }
  const needed = Number(/manylinux_2_(\d+)_/.exec(file)?.[1])
  if (glibc !== undefined && Number(glibc.split('.')[1]) >= needed) return undefined
  const found = glibc === undefined ? 'has another C library' : `has glibc ${glibc}`
  return `its wheel needs glibc 2.${needed} or newer, and this machine ${found}`
}
