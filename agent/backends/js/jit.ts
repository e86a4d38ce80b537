import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'

/** How far V8 compiles: `default` as this Node does, `baseline` without its optimising compilers, `off` not at all. */
export const jitArguments = {
  default: [],
  baseline: ['--sparkplug', '--always-sparkplug', '--no-opt', '--no-maglev'],
  off: ['--jitless'],
} satisfies Record<string, string[]>

/** Asks V8 which of its compilers are in force, by the functions it has for its own tests. */
export function readJit(): string {
  const enabled = ['Turbofan', 'Maglev', 'Sparkplug'].filter((compiler) => askV8(`%Is${compiler}Enabled()`))
  if (enabled.includes('Turbofan')) return 'default'
  if (enabled.includes('Maglev')) return 'maglev'
  return enabled.includes('Sparkplug') ? 'baseline' : 'off'
}

function askV8(question: string): unknown {
  setFlagsFromString('--allow-natives-syntax')
  try {
    return runInThisContext(question)
  } finally {
    setFlagsFromString('--no-allow-natives-syntax')
  }
}
