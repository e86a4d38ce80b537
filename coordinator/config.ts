import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from '../shared/environment.ts'
import { type NetworkSettings, readNetworkSettings } from '../shared/network/settings.ts'

/** What the environment says to the coordinator and its clients. */
export interface CoordinatorConfig {
  /** `BITFLEET_URL`: the coordinator's address. */
  readonly url?: string
  /** `BITFLEET_API_TOKEN_FILE`: a file with its API token. */
  readonly apiTokenFile?: string
  /** `BITFLEET_HOSTS`: names besides loopback's that the coordinator answers to, with commas between. */
  readonly hosts: readonly string[]
  /** `BITFLEET_PROXIES`: addresses or networks of reverse proxies that it believes, with commas between. */
  readonly proxies: readonly string[]
  /** Where a coordinator of this machine keeps its runs unless told otherwise. */
  readonly storeDir: string
  /** `BITFLEET_CA_FILE`, `HTTPS_PROXY` and their like: how clients reach a coordinator elsewhere. */
  readonly network: NetworkSettings
}

export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): CoordinatorConfig {
  const { BITFLEET_URL: url, BITFLEET_API_TOKEN_FILE: apiTokenFile, BITFLEET_HOSTS: hosts } = environment
  const state =
    environment.BITFLEET_STATE || join(environment.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'bitfleet')
  return {
    ...(url ? { url } : {}),
    ...(apiTokenFile ? { apiTokenFile } : {}),
    hosts: listOf(hosts),
    proxies: listOf(environment.BITFLEET_PROXIES),
    storeDir: join(state, 'coordinator'),
    network: readNetworkSettings(environment),
  }
}

/** What an agent started from here inherits. */
export function readEnvironment(): Environment {
  return process.env
}

function listOf(text = ''): string[] {
  return text.split(',').flatMap((item) => item.trim() || [])
}
