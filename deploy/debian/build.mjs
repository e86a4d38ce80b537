// Makes the two Debian packages under dist/: `bitfleet-agent`, the daemon in one file, and `bitfleet-runners`, what
// computes, with its libraries. The same sources give the same bytes: npm run build && npm run build:deb [-- FOLDER]
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { licencesOf, makeSingleFile } from '../single-file.mjs'
import { runnerFiles } from './runner-files.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch]
const maintainer = 'Bitfleet contributors <bitfleet@localhost>'
/** Required by node-fetch in a `try`, and not there. */
const optional = ['encoding']

/**
 * Makes both packages.
 *
 * @param out   folder they go to
 * @param epoch seconds since 1970 that every file in them is dated
 * @returns their files
 */
export async function buildPackages(out = join(root, 'dist'), epoch = sourceDate()) {
  if (architecture === undefined) throw new Error(`no package is made for ${process.arch}`)
  const work = mkdtempSync(join(tmpdir(), 'bitfleet-deb-'))
  try {
    const agent = join(work, 'agent')
    const runners = join(work, 'runners')
    const version = debianVersion(await fillAgent(agent, work))
    await fillRunners(runners)
    mkdirSync(out, { recursive: true })
    return {
      agent: pack(agent, join(out, `bitfleet-agent_${version}_all.deb`), epoch, agentControl(version)),
      runners: pack(
        runners,
        join(out, `bitfleet-runners_${version}_${architecture}.deb`),
        epoch,
        runnersControl(version),
      ),
      version,
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function fillAgent(folder, work) {
  const from = (name) => join(root, 'deploy', 'debian', 'agent', name)
  const { file, licences, version } = await makeSingleFile(work)
  put(file, folder, 'usr/lib/bitfleet/bitfleet-agent.mjs')
  put(from('bitfleet-agent.sh'), folder, 'usr/bin/bitfleet-agent', 0o755)
  put(from('agent.env'), folder, 'etc/bitfleet/agent.env')
  put(from('bitfleet-agent.sysusers.conf'), folder, 'usr/lib/sysusers.d/bitfleet-agent.conf')
  for (const unit of ['bitfleet-agent.service', 'bitfleet-agent@.service']) {
    put(join(root, 'deploy', 'systemd', unit), folder, `usr/lib/systemd/system/${unit}`)
  }
  // With the pages that it sends its reader to.
  for (const page of ['deploy.md', 'agent-state.md', 'network.md', 'no-network.md', 'people.md']) {
    put(join(root, 'docs', page), folder, `usr/share/doc/bitfleet-agent/${page}`)
  }
  write(folder, 'usr/share/doc/bitfleet-agent/copyright', copyrightOf(readFileSync(licences, 'utf8')))
  for (const script of ['postinst', 'prerm', 'postrm']) put(from(script), folder, `DEBIAN/${script}`, 0o755)
  write(folder, 'DEBIAN/conffiles', '/etc/bitfleet/agent.env\n')
  return version
}

async function fillRunners(folder) {
  const { files, packages, strangers } = await runnerFiles(root)
  const unknown = strangers.filter((name) => !optional.includes(name))
  if (unknown.length > 0) throw new Error(`a runner would import ${unknown.join(', ')}, not installed here; npm ci`)
  for (const file of files) put(join(root, file), folder, join('usr/lib/bitfleet/runners', file.replace(/^dist\//, '')))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const manifest = { name: 'bitfleet-runners', version, type: 'module', private: true }
  write(folder, 'usr/lib/bitfleet/runners/package.json', `${JSON.stringify(manifest, null, 2)}\n`)
  const licences = licencesOf(packages.map((name) => join(root, name)))
  const data = readFileSync(join(root, 'workloads', 'data', 'README.md'), 'utf8')
  write(folder, 'usr/share/doc/bitfleet-runners/copyright', copyrightOf(`${licences}\n${data}`))
  put(join(root, 'deploy', 'debian', 'runners', 'postinst'), folder, 'DEBIAN/postinst', 0o755)
}

const agentControl = (version) => `Package: bitfleet-agent
Version: ${version}
Architecture: all
Maintainer: ${maintainer}
Section: science
Priority: optional
Depends: passwd, util-linux
Recommends: nodejs (>= 20.19), bitfleet-runners (= ${version})
Description: do your machines compute the same bits: the agent
 The daemon that runs seeded workloads on this machine on command of a
 Bitfleet coordinator. It needs Node.js 20.19 or newer, which not every
 release of Debian has: name another by NODE= in /etc/bitfleet/agent.env.
 What computes is in bitfleet-runners.
`

const runnersControl = (version) => `Package: bitfleet-runners
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Section: science
Priority: optional
Depends: bitfleet-agent (= ${version}), libc6, libgcc-s1, libstdc++6
Suggests: libopenblas0-pthread, libblis4-pthread
Description: do your machines compute the same bits: what computes
 The processes in which a Bitfleet agent computes, with TensorFlow.js for
 plain JavaScript and WebAssembly, and the bridge to native libraries.
`

/** A Debian package of a folder: owned by root, in order, all of one date. */
function pack(folder, file, epoch, control) {
  const bytes = walk(folder)
    .filter((path) => statSync(path).isFile() && !relative(folder, path).startsWith('DEBIAN'))
    .reduce((sum, path) => sum + statSync(path).size, 0)
  const sized = control.replace('Section:', `Installed-Size: ${Math.ceil(bytes / 1024)}\nSection:`)
  write(folder, 'DEBIAN/control', sized)
  for (const path of [...walk(folder), folder]) {
    if (statSync(path).isDirectory()) chmodSync(path, 0o755)
    lutimesSync(path, epoch, epoch)
  }
  // One thread: how xz cuts its blocks would depend on how many there are.
  const { status, stderr } = spawnSync(
    'dpkg-deb',
    ['--build', '--root-owner-group', '-Zxz', '-z6', '--threads-max=1', folder, file],
    { encoding: 'utf8', env: { PATH: process.env.PATH, LC_ALL: 'C', SOURCE_DATE_EPOCH: String(epoch) } },
  )
  if (status !== 0) throw new Error(`dpkg-deb: ${stderr || status}`)
  return file
}

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).map((entry) =>
    join(entry.parentPath ?? entry.path, entry.name),
  )
}

function put(source, folder, path, mode = 0o644) {
  const target = join(folder, path)
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(source, target)
  chmodSync(target, mode)
}

function write(folder, path, text) {
  const target = join(folder, path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text, { mode: 0o644 })
  chmodSync(target, 0o644)
}

function copyrightOf(others) {
  return [
    readFileSync(join(root, 'LICENSE'), 'utf8'),
    'This package also holds parts of the following, under their own licences.',
    others,
  ].join('\n\n')
}

/** A release candidate comes before its release, which Debian writes with a tilde. */
function debianVersion(version) {
  return version.replace('-', '~')
}

/** What `SOURCE_DATE_EPOCH` says, else the date of the last commit, else of the change log. */
function sourceDate() {
  const said = process.env.SOURCE_DATE_EPOCH
  if (said !== undefined && /^\d+$/.test(said)) return Number(said)
  const git = spawnSync('git', ['-C', root, 'log', '-1', '--format=%ct'], { encoding: 'utf8' })
  if (git.status === 0 && /^\d+\s*$/.test(git.stdout)) return Number(git.stdout)
  return Math.floor(statSync(join(root, 'CHANGELOG.md')).mtimeMs / 1000)
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (!existsSync(join(root, 'dist', 'agent', 'main.js'))) throw new Error('dist/ is not there: npm run build')
  const { agent, runners } = await buildPackages(process.argv[2] === undefined ? undefined : resolve(process.argv[2]))
  for (const file of [agent, runners]) {
    process.stdout.write(`${file}: ${statSync(file).size} bytes\n`)
  }
}
