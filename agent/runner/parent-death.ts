/** `prctl` option: the signal this process gets when its parent dies. @see prctl(2) */
const PR_SET_PDEATHSIG = 1
const SIGKILL = 9

/**
 * Lets a runner die with its daemon, however that dies. Elsewhere than on Linux it ends at its next word, which nobody
 * hears.
 */
export async function dieWithParent(): Promise<void> {
  if (process.platform !== 'linux') return
  try {
    const { default: koffi } = await import('koffi')
    const prctl = koffi.load(null).func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
  } catch {
    // No prebuilt koffi for this platform: the same as elsewhere.
  }
}
