/** What a person can do with a fact, the most useful first. */
const uses = ['version', 'feature', 'size', 'hash'] as const
export type Use = (typeof uses)[number]

const hashPattern = /(?:^|[._-])(?:digest|hash|checksum|sha(?:1|256|512)|md5|crc(?:32)?)$/i
const versionPattern =
  /^(?:kernel|libc|backend)$|(?:^|[._-])(?:version|versions|release|microcode|driver|vbios|bios|firmware|date)(?:$|[._-])/i
const sizePattern =
  /^(?:memory|pool|cgroup)\.|(?:^|[._-])(?:threads|cores|cpus|sockets|nodes|count|bytes|size|sms|total|max|min|limit|cache|l1|l1d|l1i|l2|l3|affinity|capacity|width|period|quota|period_us|quota_us|performance|efficient)(?:$|[._-])/i

/** Facts of one use go by what they are about: what somebody can set before what comes with the machine. */
const subjects = [
  /^knob\.[^.]+\.(?!effective\.)/,
  /^backend$/,
  /^backend\./,
  // What a build is for goes before what was built and what emulates it.
  /^os\.arch$/,
  /^emulator/,
  /^device/,
  /^knob\./,
  /^env\./,
  /^lib\./,
  /^cpu\./,
]

/** Which use a fact is, by its name. A name that says nothing else is a feature. */
export function useOf(name: string): Use {
  if (hashPattern.test(name)) return 'hash'
  // A flag is a feature, whatever it is called.
  if (/^cpu\.flags\.|^gpu\.[^.]+\.flags\./.test(name)) return 'feature'
  if (versionPattern.test(name)) return 'version'
  return sizePattern.test(name) ? 'size' : 'feature'
}

/** For sorting names of facts: by use, then by subject, then alphabetically. */
export function byName(a: string, b: string): number {
  return uses.indexOf(useOf(a)) - uses.indexOf(useOf(b)) || subjectOf(a) - subjectOf(b) || (a < b ? -1 : a > b ? 1 : 0)
}

/** What decides, besides the name, which of several facts is named first. */
export interface NamedFact {
  readonly name: string
  /** The plan gave it several values. */
  readonly planned: boolean
  /** Some unit does not have it. */
  readonly lacking: boolean
}

/**
 * The order in which facts that part the units alike are named: first those that every unit has, then those that the
 * plan varied, then by use. A fact that one side lacks says that something was not recorded there.
 */
export function byUse(a: NamedFact, b: NamedFact): number {
  return Number(a.lacking) - Number(b.lacking) || Number(b.planned) - Number(a.planned) || byName(a.name, b.name)
}

function subjectOf(name: string): number {
  const found = subjects.findIndex((pattern) => pattern.test(name))
  return found === -1 ? subjects.length : found
}

/** The facts that change together because one thing changed: equal keys up to the last dot. A key without a dot is alone. */
export function familyOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot === -1 ? name : name.slice(0, dot)
}
