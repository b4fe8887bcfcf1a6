import { defineConfig } from 'vitest/config';

// REACT=18 runs the same tests on the older React that the package supports, installed beside in tests/react-18.
const older = ['react', 'react-dom', '@testing-library/react'];
const isOlder = process.env['REACT'] === '18';
const alias = isOlder
  ? older.map((name) => ({
      find: new RegExp(`^${name}(?=$|/)`),
      replacement: new URL(`tests/react-18/node_modules/${name}`, import.meta.url).pathname,
    }))
  : [];

export default defineConfig({
  resolve: {
    alias: [
      ...alias,
      { find: '@hybrid-memory/react/ai-sdk', replacement: new URL('src/ai-sdk.ts', import.meta.url).pathname },
      { find: '@hybrid-memory/react', replacement: new URL('src/index.ts', import.meta.url).pathname },
    ],
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/*.test.{ts,tsx}'],
    // The AI SDK's own hook comes with the newer one.
    exclude: isOlder ? ['tests/ai-sdk*.test.ts', 'tests/assistant-ui.test.tsx', 'tests/real-stack.test.ts'] : [],
    setupFiles: ['tests/setup.ts'],
    restoreMocks: true,
    unstubGlobals: true,
  },
});
