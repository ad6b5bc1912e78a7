import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const folder = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  root: folder('..'),
  test: {
    include: ['test/**/*.test.ts'],
    // Most of the time is waiting for real servers.
    maxWorkers: 2,
    // Real servers and browsers take their time on a busy machine.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000, interval: 20 } },
    // Hundreds of processes are started: each reads our sources as the first one has compiled them.
    env: { NODE_COMPILE_CACHE: folder('../node_modules/.cache/compiled') },
    // No test leaves anything behind in its thread.
    isolate: false,
  },
});
