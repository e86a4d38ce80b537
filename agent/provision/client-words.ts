// What npm and pip say where they fail has a line or two of facts in it, and a page of hints and of their own traces.

/** Hints that stand in every failure of a kind, places of logs, and notices. */
const chatter = [
  /^at .*[:(]/,
  /^[{}\]]+,?$/,
  /^(?:\w+: .*,|type: '.*')$/,
  /^A complete log of this run can be found in/,
  /^(?:errno|syscall|path) /,
  /^(?:\w+ )?(?:This is a problem related to|This is related to|In most cases|If you are behind a proxy)/,
  /^(?:enoent|network|nospc)$/,
  /^\[notice\]/,
  /^No matching distribution found for /,
]

const mostLines = 4
const mostCharacters = 400

/**
 * The facts in what npm or pip said of a failure: without the marks in front of its lines, its hints and its stack, each
 * once.
 */
export function wordsOfClient(text: string): string {
  const lines = text.split('\n').map((line) => {
    const bare = line.replace(/^npm (?:error|ERR!) ?|^(?:ERROR|WARNING): /, '').trim()
    // pip tells of every try, by the address of an object of its own; the reason is inside.
    const tried = /after connection broken by '\w+\((.*)\)': \S*$/.exec(bare)?.[1]
    return tried?.replace(/^['"]|['"]$/g, '').replace(/^<[^>]*>: /, '') ?? bare
  })
  const facts = [...new Set(lines)].filter((line) => line !== '' && !chatter.some((pattern) => pattern.test(line)))
  const chosen = (facts.length > 0 ? facts : lines.filter((line) => line !== '')).slice(0, mostLines).join(' · ')
  return chosen.length > mostCharacters ? `${chosen.slice(0, mostCharacters)}…` : chosen
}
