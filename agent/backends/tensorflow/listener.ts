import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OnednnReport, parseOnednn } from './onednn.ts'
import { captureStandardOutput, openC } from './standard-output.ts'

/** What was heard before in this process: oneDNN introduces itself once. */
let earlier = ''

/** Hears what oneDNN says of itself in this process. */
export interface Listener {
  /** All that was said so far. */
  hear(): OnednnReport
  /** Puts standard output back as it was. */
  close(): void
}

/**
 * Makes oneDNN talk, from before its first use on. TensorFlow exports no function of oneDNN that could be asked, so its
 * own account is what there is. With its operations in force it tells of each implementation it takes, once. Without
 * them Eigen still calls its matrix product, whose every call would be told: then it is heard only up to `probe`'s end.
 *
 * @param operations whether TensorFlow's operations are oneDNN's
 * @param probe computes something that oneDNN has a part in
 * @returns a listener that hears nothing where the C library cannot be called
 */
export function listenToOnednn(operations: boolean, probe: () => void): Listener {
  const c = openC()
  if (c === undefined) {
    probe()
    return { hear: () => parseOnednn(''), close: () => {} }
  }
  const setVariable = c.bind('setenv', 'int', ['str', 'str', 'int']) as (
    name: string,
    value: string,
    overwrite: number,
  ) => number
  // Not over a person's own choice.
  setVariable('ONEDNN_VERBOSE', operations ? 'profile_create' : '1', 0)
  const folder = mkdtempSync(join(tmpdir(), 'bitfleet-onednn-'))
  const output = captureStandardOutput(c, join(folder, 'stdout'))
  let heard: string | undefined
  const close = () => {
    earlier += heard ?? output.read()
    output.restore()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    probe()
    if (!operations) {
      heard = output.read()
      output.drop()
    }
    return { hear: () => parseOnednn(earlier + (heard ?? output.read())), close }
  } catch (error) {
    close()
    throw error
  }
}
