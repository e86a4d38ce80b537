import { visibleLine } from './visible.ts'

// What holds of the checkpoints of an execution whose workload has no schema beforehand. Its agent and its coordinator
// hold it to the same.

export const maxPlaces = 65_536
/** In UTF-16 code units. */
export const maxNameLength = 256

interface Place {
  readonly step: number
  readonly name: string
}

/** Takes checkpoints in their order. @returns of each what is wrong with it, or nothing */
export function createPlaceCheck(): (place: Place) => string | undefined {
  let count = 0
  let step = 0
  let names = new Set<string>()
  return (place) => {
    count++
    if (count > maxPlaces) return `there are more than ${maxPlaces} checkpoints`
    const fault = nameFault(place.name)
    if (fault !== undefined) return `the name ${JSON.stringify(place.name.slice(0, 80))} ${fault}`
    if (place.step < step) return `"${place.name}" is of step ${place.step}, and step ${step} was before it`
    if (place.step > step) names = new Set()
    step = place.step
    if (names.has(place.name)) return `"${place.name}" is there twice at step ${step}`
    names.add(place.name)
    return undefined
  }
}

function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.length > maxNameLength) return `has ${name.length} characters, more than ${maxNameLength}`
  if (visibleLine(name) !== name) return 'has characters that a screen obeys or hides, or spaces at its ends'
  return undefined
}
