import { scaleLinear } from 'd3-scale'
import { schemeObservable10 } from 'd3-scale-chromatic'

/** Colours of classes repeat after ten; the letter is what tells them apart. */
export const paletteSize = schemeObservable10.length

const paper = { light: '#ffffff', dark: '#15171b' }
const ink = { light: '#000000', dark: '#ffffff' }

function mixed(from: string, to: string, share: number): string {
  const [r, g, b] = (scaleLinear<string>([from, to])(share).match(/\d+/g) ?? []).map(Number)
  return `#${[r, g, b].map((part) => (part ?? 0).toString(16).padStart(2, '0')).join('')}`
}

/**
 * For each class colour: a tint that ink is read on, and a stroke with 3 : 1 against the page, in light and dark.
 *
 * @returns CSS that sets `--tint` and `--stroke` on `.k0` to `.k9`
 */
export function paletteCss(): string {
  return schemeObservable10
    .map((colour, i) => {
      const tint = `light-dark(${mixed(paper.light, colour, 0.32)},${mixed(paper.dark, colour, 0.46)})`
      const stroke = `light-dark(${mixed(ink.light, colour, 0.72)},${mixed(ink.dark, colour, 0.82)})`
      return `.k${i}{--tint:${tint};--stroke:${stroke}}`
    })
    .join('\n')
}

/** The class attribute that gives a class its colour. */
export function classColour(index: number | undefined): string {
  return index === undefined ? '' : `k${index % paletteSize}`
}
