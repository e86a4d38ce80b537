/** What the machine's tools are run under: this process's environment, in the C locale. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' }
}

/** libuv's thread pool as its own rule gives it: 4 unless told otherwise, never more than 1024. */
export function libuvPoolSize(): number {
  const asked = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? '', 10)
  if (Number.isNaN(asked)) return 4
  return Math.min(Math.max(asked, 1), 1024)
}
