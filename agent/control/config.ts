/** The user's folder for sockets, where the system has one. */
export function readRuntimeDir(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  return environment.XDG_RUNTIME_DIR || undefined
}
