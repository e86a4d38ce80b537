/** A knob as plans name it, `BACKEND.KNOB`. Versions have dots, knobs have none. */
export function splitKnobName(name: string): { owner: string; knob: string } {
  const dot = name.lastIndexOf('.')
  return { owner: name.slice(0, dot), knob: name.slice(dot + 1) }
}
