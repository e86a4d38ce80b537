import { isLoopback, networkOf } from './address.ts'

/**
 * Strangers at the door: connections whose peer has not shown who it is. Their number is bounded, in all and for each
 * address, and the newest always gets in: who has to go is the oldest of the address that has the most. A flood so ends
 * its own connections, and a peer that needs only a moment to show who it is gets that moment.
 */
export interface Crowd {
  /**
   * @param address where the peer comes from
   * @param expel   ends the connection; called at most once, and not after `leave`
   * @returns leave: the peer has shown who it is, or is gone. Idempotent.
   */
  enter(address: string, expel: () => void): () => void
  readonly size: number
}

export interface CrowdBounds {
  readonly max: number
  readonly maxPerAddress: number
}

export function createCrowd({ max, maxPerAddress }: CrowdBounds): Crowd {
  /** By where they come from, oldest first. */
  const groups = new Map<string, Set<() => void>>()
  let size = 0

  const remove = (key: string, expel: () => void) => {
    const group = groups.get(key)
    if (!group?.delete(expel)) return false
    size--
    if (group.size === 0) groups.delete(key)
    return true
  }
  const expelOldest = (key: string) => {
    const oldest = groups.get(key)?.values().next().value
    if (oldest !== undefined && remove(key, oldest)) oldest()
  }
  const largest = () => {
    let found = ''
    let most = 0
    for (const [key, { size }] of groups) if (size > most) [found, most] = [key, size]
    return found
  }

  return {
    enter(address, expel) {
      const key = isLoopback(address) ? 'loopback' : networkOf(address)
      const group = groups.get(key) ?? new Set()
      groups.set(key, group)
      // One of its own, so that two guests never share it.
      const own = () => expel()
      group.add(own)
      size++
      // Behind a reverse proxy on this machine all come from loopback: its own bounds hold there.
      if (group.size > maxPerAddress && key !== 'loopback') expelOldest(key)
      else if (size > max) expelOldest(largest())
      return () => void remove(key, own)
    },
    get size() {
      return size
    },
  }
}
