import { defineConfig } from 'vitest/config'

const layers = ['shared', 'workloads', 'agent', 'coordinator']

export default defineConfig({
  test: {
    projects: [
      {
        // Beside the code, and what crosses folders but starts no server.
        test: {
          name: 'unit',
          include: [
            ...layers.map((layer) => `${layer}/**/*.test.{ts,tsx}`),
            'test/*.test.ts',
            'test/contracts/**/*.test.ts',
          ],
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
        test: { name: 'browser', include: ['test/browser/**/*.test.ts'], testTimeout: 120_000, fileParallelism: false },
      },
    ],
  },
})
