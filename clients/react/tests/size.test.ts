import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** In bytes, minified and compressed, without React. */
const MAX_SIZE = 10_300;

test('the hook is small: an app without the search and the memories does not load them', async () => {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      rolldownOptions: {
        input: 'src/use-agent-chat.ts',
        external: ['react'],
        preserveEntrySignatures: 'strict',
        onLog: () => undefined,
      },
    },
  });
  const outputs = Array.isArray(built) ? built.flatMap(({ output }) => output) : 'output' in built ? built.output : [];
  const code = outputs.map((each) => ('code' in each ? each.code : '')).join('');
  expect(code).toContain('forgetThread');
  expect(gzipSync(code).length).toBeLessThanOrEqual(MAX_SIZE);
}, 60_000);
