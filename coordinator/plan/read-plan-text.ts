import { readNamedText } from '../../shared/named-file.ts'
import { maxPlanCharacters } from './source.ts'

/** @throws as `readNamedText` */
export async function readPlanText(planPath: string): Promise<string> {
  return readNamedText(planPath, { title: `the plan ${planPath}`, maxBytes: 4 * maxPlanCharacters })
}
