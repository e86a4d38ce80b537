/** How a machine reaches others, as its environment and a person's options say it. */
export interface NetworkSettings {
  /** PEM file of authorities that are trusted besides the system's: `--ca`, else `BITFLEET_CA_FILE`. */
  readonly caFile?: string
  /** `SSL_CERT_FILE`: the system's authorities, where they are not in one of the usual places. */
  readonly systemCaFile?: string
  /** `NODE_EXTRA_CA_CERTS`: more authorities, which Node.js trusts by itself until it is given a list. */
  readonly extraCaFile?: string
  readonly httpProxy?: ProxySetting
  readonly httpsProxy?: ProxySetting
  /** `NO_PROXY`, as it stands. */
  readonly noProxy?: string
}

/** The value may hold a password. */
export interface ProxySetting {
  readonly variable: string
  readonly value: string
}

/**
 * The variables' usual meaning: names in lower case win over those in upper case, `ALL_PROXY` stands in for a scheme that
 * has none of its own, and an empty value is none.
 */
export function readNetworkSettings(environment: Readonly<Record<string, string | undefined>>): NetworkSettings {
  const first = (...variables: string[]): ProxySetting | undefined => {
    // A variable that is set and empty says "none", and hides those after it.
    const variable = variables.find((name) => environment[name] !== undefined)
    const value = variable === undefined ? undefined : environment[variable]
    return variable && value ? { variable, value } : undefined
  }
  const proxy = (scheme: 'http' | 'https') =>
    first(`${scheme}_proxy`, `${scheme.toUpperCase()}_PROXY`, 'all_proxy', 'ALL_PROXY')
  return {
    caFile: environment.BITFLEET_CA_FILE || undefined,
    systemCaFile: environment.SSL_CERT_FILE || undefined,
    extraCaFile: environment.NODE_EXTRA_CA_CERTS || undefined,
    httpProxy: proxy('http'),
    httpsProxy: proxy('https'),
    noProxy: first('no_proxy', 'NO_PROXY')?.value,
  }
}

/** A person's `--ca` over what the environment says. */
export function withAuthority(settings: NetworkSettings, caFile: string | undefined): NetworkSettings {
  return caFile === undefined ? settings : { ...settings, caFile }
}
