import { defineConfig } from 'vitest/config'
import { clearAmbient } from './test/ambient.ts'

clearAmbient(process.env)

const layers = ['shared', 'workloads', 'agent', 'coordinator']

export default defineConfig({
  test: {
    // Once for all projects: the unit tests start threads from dist/, too.
    globalSetup: ['./test/fresh-dist.mjs'],
    projects: [
      {
        // Beside the code, and what crosses folders: what answers while one works.
        test: {
          name: 'unit',
          include: [
            ...layers.map((layer) => `${layer}/**/*.test.{ts,tsx}`),
            'test/*.test.ts',
            'test/contracts/**/*.test.ts',
          ],
          exclude: ['**/*.process.test.ts'],
          // One fewer than there are processors would be half of a small machine.
          maxWorkers: '100%',
          // For what hangs; how long anything takes on a busy machine is not tested.
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Beside the code, too, but made of runners, daemons, servers, stores and other programs, which take their time.
        test: {
          name: 'processes',
          include: [...layers.map((layer) => `${layer}/**/*.process.test.ts`), 'test/*.process.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        // Installs libraries of hundreds of megabytes: run by name alone, where somebody asks for them.
        test: {
          name: 'backends',
          include: ['test/backends/**/*.test.ts'],
          testTimeout: 1_800_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: { name: 'browser', include: ['test/browser/**/*.test.ts'], testTimeout: 120_000, fileParallelism: false },
      },
    ],
  },
})
