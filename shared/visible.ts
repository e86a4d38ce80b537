/** CSI and OSC sequences of terminals, whole: what follows the escape is no text either. */
// biome-ignore lint: control characters are the subject
const escapeSequence =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?/g

/** C0 but tab and LF, DEL, C1, bidirectional controls, zero-width characters, separators of lines, lone surrogates. */
const invisible =
  /[\0-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Cs}|[\u{e0000}-\u{e007f}]/gu

/**
 * Hostile text as a person may read it: every character that a screen would obey or hide is shown as what it is, so
 * that nothing is silently dropped. `\x1b[31m` reads `␛[31m`, a right-to-left override `⟨U+202E⟩`.
 *
 * @returns text whose only control characters are tab and LF
 */
export function visible(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(invisible, (character) => {
    const code = character.codePointAt(0) as number
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    if (code === 0x7f) return '␡'
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
  })
}

/** The same on one line. */
export function visibleLine(text: string): string {
  return visible(text)
    .replace(/[\t\n]+/g, ' ')
    .trim()
}

/** A runner's log for a person: terminal colours taken out, whatever else moves a cursor shown. */
export function visibleLog(text: string): string {
  return visible(text.replace(escapeSequence, ''))
}
