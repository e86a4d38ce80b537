// Runs every suite and closes with what each cost, what could not run here and why, and one line of totals.
// `npm test -- unit e2e` runs only those. With CI=true a missing part that could have been installed fails.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childSeconds } from './cpu-time.mjs'

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'))
const scratch = mkdtempSync(join(tmpdir(), 'bitfleet-test-'))
const skipsFile = join(scratch, 'skips.jsonl')
const environment = {
  ...process.env,
  BITFLEET_SKIPS: skipsFile,
  NO_COLOR: process.env.NO_COLOR ?? (process.stdout.isTTY ? '' : '1'),
}

const totals = { passed: 0, failed: 0, skipped: 0, cpuSeconds: 0 }
const rows = []

/** A check that is one command: passes with exit code 0. */
function command(name, argv) {
  console.log(`\n── ${name}`)
  const { status, cpuSeconds } = timed(name, argv)
  count(name, { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0, cpuSeconds })
}

/**
 * Runs a command of Node's in a shell, which knows afterwards how long processors worked for it: user and system time
 * of all processes below it that ended and were waited for.
 */
function timed(name, argv) {
  const file = join(scratch, `${name}.times`)
  const script = '"$@"; code=$?; times >"$0"; exit $code'
  const { status } = spawnSync('sh', ['-c', script, file, process.execPath, ...argv], {
    stdio: 'inherit',
    env: environment,
  })
  return { status, cpuSeconds: existsSync(file) ? childSeconds(readFileSync(file, 'utf8')) : undefined }
}

/** A vitest project; its own JSON report is counted, and a crash without one is a failure. */
function suite(name) {
  console.log(`\n── ${name}`)
  const file = join(scratch, `${name}.json`)
  const { status, cpuSeconds } = timed(name, [
    ...['node_modules/vitest/vitest.mjs', 'run', '--project', name],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
  ])
  const result = { passed: 0, failed: 0, skipped: 0, cpuSeconds }
  if (existsSync(file)) {
    const report = JSON.parse(readFileSync(file, 'utf8'))
    result.passed = report.numPassedTests
    result.failed = report.numFailedTests
    result.skipped = report.numPendingTests + (report.numTodoTests ?? 0)
    // A file that does not load has no tests to count, and must not pass for it.
    const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
    result.failed += broken.length
  }
  if (status !== 0 && result.failed === 0) result.failed = 1
  count(name, result)
}

function count(name, result) {
  rows.push([name, result])
  for (const key of Object.keys(totals)) totals[key] += result[key] ?? 0
}

const suites = {
  build: () => command('build', ['build.mjs']),
  types: () => command('types', ['node_modules/typescript/bin/tsc', '--noEmit']),
  lint: () => command('lint', ['node_modules/oxlint/bin/oxlint', '--type-aware']),
  format: () => command('format', ['node_modules/@biomejs/biome/bin/biome', 'format', '.']),
  unit: () => suite('unit'),
  processes: () => suite('processes'),
  e2e: () => suite('e2e'),
  browser: () => suite('browser'),
}
const chosen = process.argv.slice(2)
for (const name of chosen) {
  if (!(name in suites)) {
    console.error(`there is no suite "${name}"; there are ${Object.keys(suites).join(', ')}`)
    process.exit(2)
  }
}
for (const [name, run] of Object.entries(suites)) if (chosen.length === 0 || chosen.includes(name)) run()

console.log('\n── suites')
for (const [name, { passed, failed, skipped, cpuSeconds }] of rows) {
  const counts = `${String(passed).padStart(6)} passed ${String(failed).padStart(5)} failed ${String(skipped).padStart(5)} skipped`
  console.log(`${name.padEnd(10)} ${counts} ${(cpuSeconds?.toFixed(1) ?? 'unknown').padStart(8)} s CPU`)
}
console.log(`all together ${totals.cpuSeconds.toFixed(1)} s CPU, ${(totals.cpuSeconds / 60).toFixed(1)} min`)
const skips = existsSync(skipsFile)
  ? [
      ...new Map(
        readFileSync(skipsFile, 'utf8')
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => [line, JSON.parse(line)]),
      ).values(),
    ]
  : []
console.log('\n── not run here')
if (skips.length === 0) console.log('nothing: every part ran')
for (const { name, reason, install } of skips)
  console.log(`${name}: ${reason}${install ? `; to run it: ${install}` : ''}`)
rmSync(scratch, { recursive: true, force: true })

console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1
