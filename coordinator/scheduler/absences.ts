/** Agents that went away, each until it has been away for too long. */
export interface Absences {
  /** An agent went away; one that is away already stays so. */
  begin(agent: string): void
  /** It is back, or not waited for any more. */
  end(agent: string): void
  endAll(): void
}

export interface AbsenceOptions {
  /** How long an agent may be away, on a monotonic clock. */
  readonly absenceMs: number
  /** While it is so, nobody can come back, and everybody has the whole time again after it. */
  readonly paused: () => boolean
  readonly over: (agent: string) => void
}

/** Counted in so many pieces, each of which counts only where it was not paused when it ended. */
const pieces = 4

export function createAbsences({ absenceMs, paused, over }: AbsenceOptions): Absences {
  const away = new Map<string, NodeJS.Timeout>()
  const end = (agent: string) => {
    clearInterval(away.get(agent))
    away.delete(agent)
  }
  return {
    begin(agent) {
      if (away.has(agent)) return
      let left = pieces
      const timer = setInterval(() => {
        left = paused() ? pieces : left - 1
        if (left > 0) return
        end(agent)
        over(agent)
      }, absenceMs / pieces)
      away.set(agent, timer.unref())
    },
    end,
    endAll() {
      for (const agent of [...away.keys()]) end(agent)
    },
  }
}
