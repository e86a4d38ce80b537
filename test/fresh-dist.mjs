// Before any test: processes and threads that tests start run from dist/, so it must be what the sources make.
import { buildIfStale } from '../build.mjs'

export default function setup(vitest) {
  buildIfStale()
  vitest.onTestsRerun(() => buildIfStale())
}
