import { unpackTarball } from '../archive.ts'
import { wholeSum } from '../known-answers.ts'
import type { Machine, Provider, Version } from '../provider.ts'

// ONNX Runtime's own package for Node.js has its shared libraries for the processor in it; its install script, which
// would fetch those for CUDA from elsewhere, is not run.

const pins: readonly { version: string; node: string; common: string }[] = [
  {
    version: '1.30.0',
    node: 'sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==',
    common: 'sha512-7fdVWjAID1dVhH/G8qK3APARunV4VkBFoCQAP7qp4Wkab0mrorvmc+sqiT+mKXOzDqdjN5j+/Z9nb4gzNPWcyA==',
  },
  {
    version: '1.23.2',
    node: 'sha512-OBTsG0W8ddBVOeVVVychpVBS87A9YV5sa2hJ6lc025T97Le+J4v++PwSC4XFs1C62SWyNdof0Mh4KvnZgtt4aw==',
    common: 'sha512-5LFsC9Dukzp2WV6kNHYLNzp8sT6V02IubLCbzw2Xd6X5GOlr65gAX6xiJwyi2URJol/s71gaQLC5F2C25AAR2w==',
  },
  {
    version: '1.20.1',
    node: 'sha512-di/I4HDXRw+FLgq+TyHmQEDd3cEp9iFFZm0r4uJ1Wd7b/WE1VXtKWo8yemex347c6GNF/3Pv86ZfPhIWxORr0w==',
    common: 'sha512-YiU0s0IzYYC+gWvqD1HzLc46Du1sXpSiwzKb63PACIJr6LfL27VsXSXQvt68EzD3V0D5Bc0vyJTjmMxp0ylQiw==',
  },
  {
    version: '1.17.3',
    node: 'sha512-NtbN1pfApTSEjVq46LrJ396aPP2Gjhy+oYZi5Bu1leDXAEvVap/BQ8CZELiLs7z0UnXy3xjJW23HiB4P3//FIw==',
    common: 'sha512-IkbaDelNVX8cBfHFgsNADRIq2TlXMFWW+nG55mwWvQT4i0NZb32Jf35Pf6h9yjrnK78RjcnlNYaI37w394ovMw==',
  },
]

export const onnxruntime: Provider = {
  id: 'onnxruntime',
  title: 'ONNX Runtime',
  versions: (machine) => pins.map((pin) => versionOf(pin, machine)),
  async install(version, { folder, file, id, say }) {
    for (const { name, file: archive } of version.packages) {
      say(`unpacking ${archive}`)
      await unpackTarball(file(archive), folder, (path) => placeOf(name, path))
    }
    return { kind: 'node', argv: ['{program}/agent/runner/main.js', '--installed', 'onnxruntime', id, '{folder}'] }
  },
  answers: [wholeSum],
}

/** What runs and its licences; of the native parts those of this machine. */
function placeOf(name: string, path: string): string | undefined {
  const inside = path.replace(/^package\//, '')
  const isNative = inside.startsWith('bin/')
  const wanted = isNative
    ? new RegExp(`^bin/[^/]+/${process.platform}/${process.arch}/[^/]+$`).test(inside)
    : /^(package\.json|dist\/.*\.(js|json)|.*LICENSE[^/]*|ThirdPartyNotices[^/]*)$/i.test(inside) &&
      !inside.endsWith('min.js')
  return wanted ? `node_modules/${name}/${inside}` : undefined
}

function versionOf({ version, node, common }: (typeof pins)[number], { platform, arch, glibc }: Machine): Version {
  const base = { id: version, version, installedBytes: 120_000_000 }
  const [names, made] = [`${platform} on ${arch}`, platform === 'linux' && ['x64', 'arm64'].includes(arch)]
  if (!made || glibc === undefined) {
    const found = made ? 'this machine has another C library' : `this is ${names}`
    return { ...base, packages: [], unsupported: `it is pinned for Linux with glibc on x64 and arm64, and ${found}` }
  }
  const pinned = (name: string, integrity: string) =>
    ({ client: 'npm', name, version, file: `${name}-${version}.tgz`, integrity }) as const
  return { ...base, packages: [pinned('onnxruntime-common', common), pinned('onnxruntime-node', node)] }
}
