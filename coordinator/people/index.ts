export {
  createPeople,
  type Identity,
  type NewApiToken,
  type People,
  type PeopleOptions,
  personNameSchema,
} from './people.ts'
export { type ApiToken, createPeopleFold, type PeopleFold, type Person } from './people-state.ts'
export { minPasswordLength } from './password.ts'
export { includesRole, type Role, roleMeanings, roles } from './roles.ts'
export { sessionMs, type Subject } from './sessions.ts'
