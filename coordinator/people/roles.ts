/** What a person or a token may do; each may do what those before it may. */
export const roles = ['viewer', 'operator', 'admin'] as const

export type Role = (typeof roles)[number]

/** Whether `role` may do what needs `least`. */
export function includesRole(role: Role, least: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(least)
}

/** The lesser of two: a token never exceeds its person. */
export function lesserRole(a: Role, b: Role): Role {
  return includesRole(a, b) ? b : a
}

/** What it may do, told to whoever has it. */
export const roleMeanings: Record<Role, string> = {
  viewer: 'You see runs, reports and the fleet.',
  operator: 'You see runs, reports and the fleet, submit and cancel runs, upload and import.',
  admin: 'You may do everything: also manage people, tokens and agents, and read the audit.',
}
