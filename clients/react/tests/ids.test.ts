import { expect, test, vi } from 'vitest';
import { newId } from '../src/ids.js';
import { chat } from './chat.js';
import { serve } from './server.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test.each([
  ['a secure page', globalThis.crypto],
  ['plain HTTP', { getRandomValues: globalThis.crypto.getRandomValues.bind(globalThis.crypto) }],
  ['a page without crypto', undefined],
])('an id is a UUID, and no two are the same: %s', (_, crypto) => {
  vi.stubGlobal('crypto', crypto);
  const ids = Array.from({ length: 1000 }, newId);
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(UUID);
});

test('the hook works without crypto.randomUUID', async () => {
  serve();
  const { crypto } = globalThis;
  const shown = chat({
    fetch: (input, init) => {
      // msw has ids of its own to make.
      vi.stubGlobal('crypto', crypto);
      return fetch(input, init);
    },
  });
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  shown.do(({ newThread }) => newThread());
  expect(shown.now.threadId).toMatch(UUID);
  expect((await shown.say('Hello'))?.content).toBe('You said: Hello');
});
