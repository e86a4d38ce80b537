import { cleanEnvironment, sayCleaned } from '../../shared/environment.ts'
import type { AgentConfig } from '../config.ts'

export interface CleanOption {
  /** Runners get no variable that selects a code path or threads. */
  readonly clean?: boolean
}

/** The configuration that `--clean` asks for. @param log told what was removed */
export function applyClean(config: AgentConfig, { clean }: CleanOption, log: (line: string) => void): AgentConfig {
  if (!clean) return config
  log(sayCleaned(config.environment))
  return { ...config, environment: cleanEnvironment(config.environment).environment }
}
