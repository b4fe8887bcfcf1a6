import { defineConfig } from 'vitest/config';

// REACT=18 runs the tests on the oldest supported React, which is installed in tests/react-18.
const packages = ['react', 'react-dom', '@testing-library/react'];
const isReact18 = process.env['REACT'] === '18';
const alias = isReact18
  ? packages.map((name) => ({
      find: new RegExp(`^${name}(?=$|/)`),
      replacement: new URL(`tests/react-18/node_modules/${name}`, import.meta.url).pathname,
    }))
  : [];

// The sources of the client, which the build copies into the package.
const client = new URL('../typescript/src', import.meta.url).pathname;

export default defineConfig({
  resolve: {
    // The tested example has no packages of its own here.
    dedupe: ['react', 'react-dom', '@assistant-ui/react', '@assistant-ui/react-ai-sdk'],
    alias: [
      ...alias,
      { find: /^#client\/(.+)\.js$/, replacement: `${client}/$1.ts` },
      { find: '@hybrid-memory/react/ai-sdk', replacement: new URL('src/ai-sdk.ts', import.meta.url).pathname },
      { find: '@hybrid-memory/react', replacement: new URL('src/index.ts', import.meta.url).pathname },
    ],
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/*.test.{ts,tsx}'],
    // These tests use hooks that are installed only for React 19.
    exclude: isReact18 ? ['tests/ai-sdk*.test.ts', 'tests/assistant-ui.test.tsx', 'tests/real-stack.test.ts'] : [],
    setupFiles: ['tests/setup.ts'],
    restoreMocks: true,
    unstubGlobals: true,
  },
});
