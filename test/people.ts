import { createPeople, type People, type PeopleOptions } from '../coordinator/people/index.ts'
import type { JournalBody } from '../coordinator/store/index.ts'

export const apiToken = 'the token of the API'

/** People whose journal is a list; the store's own token is `apiToken`. */
export function createTestPeople(options: Partial<PeopleOptions> = {}): { people: People; journal: JournalBody[] } {
  const journal: JournalBody[] = []
  const append = async (body: JournalBody) => {
    journal.push(body)
  }
  return { people: createPeople({ append, apiToken, passwordCost: { logN: 4, r: 8, p: 1 }, ...options }), journal }
}
