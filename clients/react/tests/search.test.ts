import { HttpResponse } from 'msw';
import { expect, test, vi } from 'vitest';
import { AgentChatError, search, type SearchOptions } from '../src/index.js';
import { API, problem } from './server.js';
import { found, foundItem, serveSearch } from './search-server.js';

const options: SearchOptions = { baseUrl: API, userId: 'ada', retries: 0 };

test('a result has the items and says what was searched', async () => {
  serveSearch(() => found([foundItem('My dog is Rex.')]));
  expect(await search('rex', options)).toEqual({
    items: [
      {
        threadId: 't',
        title: 'A title',
        exchangeId: '01a20403-af8b-76fb-9bf9-0bc8b1328586',
        createdAt: '2026-11-22T16:08:00.139000Z',
        userMessage: 'My dog is Rex.',
        assistantMessage: 'Noted.',
        score: 0.5,
        highlights: [{ field: 'userMessage', start: 3, end: 6 }],
      },
    ],
    memories: [],
    arms: ['text'],
    searchedUpTo: '2026-11-22T16:09:00.000000Z',
    degraded: [],
    isComplete: true,
  });
});

test('an incomplete search without items does not look like one that found nothing', async () => {
  serveSearch(() => found([], ['postgres', 'search'], null));
  const result = await search('rex', options);
  expect(result).toMatchObject({ items: [], isComplete: false, searchedUpTo: null, degraded: ['postgres', 'search'] });
});

test('only the given fields are sent', async () => {
  const bodies = serveSearch(() => found([]));
  await search('rex', { baseUrl: API });
  await search('rex', {
    ...options,
    limit: 3,
    threadId: 't',
    excludeThreadId: 'o',
    since: new Date(Date.UTC(2026, 0, 1)),
    until: new Date(Date.UTC(2026, 1, 1)),
  });
  expect(bodies).toEqual([
    { query: 'rex' },
    {
      query: 'rex',
      user_id: 'ada',
      limit: 3,
      thread_id: 't',
      exclude_thread_id: 'o',
      since: '2026-01-01T00:00:00.000Z',
      until: '2026-02-01T00:00:00.000Z',
    },
  ]);
});

test('a search is retried, because it changes nothing', async () => {
  const bodies = serveSearch((count) => (count < 3 ? problem(503, 'Later.', { 'Retry-After': '0' }) : found([])));
  vi.spyOn(Math, 'random').mockReturnValue(0);
  expect((await search('rex', { ...options, retries: 3 })).items).toEqual([]);
  expect(bodies).toHaveLength(3);
});

test.each([
  ['another service', () => HttpResponse.json({ items: [] })],
  ['an item without texts', () => HttpResponse.json({ items: [{ kind: 'exchange' }], arms: [], degraded: [] })],
  ['a service without search', () => new HttpResponse('Not Found', { status: 404 })],
])('the response of %s is an error', async (_, respond) => {
  serveSearch(respond);
  await expect(search('rex', options)).rejects.toMatchObject({ name: 'MemoryClientError', isForeign: true });
});

test('an outage is an error, never an empty result', async () => {
  serveSearch(() => HttpResponse.error());
  await expect(search('rex', options)).rejects.toMatchObject({ status: 0, detail: 'The server is not responding.' });
});

test('items of other kinds are left out', async () => {
  serveSearch(() => found([{ kind: 'memory', id: 'm', text: 'Has a dog.' }, foundItem('My dog is Rex.')]));
  expect((await search('rex', options)).items.map(({ userMessage }) => userMessage)).toEqual(['My dog is Rex.']);
});

test('an invalid time is an error that names it, and nothing is sent', async () => {
  const bodies = serveSearch(() => found([]));
  const error = await search('rex', { ...options, since: new Date(NaN) }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(AgentChatError);
  expect((error as AgentChatError).detail).toContain('`since`');
  expect(bodies).toEqual([]);
});

test('a stopped search rejects', async () => {
  serveSearch(() => found([]));
  await expect(search('rex', { ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ isAbort: true });
});

test('found memories are typed and have scores', async () => {
  const memory = { id: 'm', kind: 'fact', text: 'Lives in Rome', valid_from: '2026-11-22T16:08:00Z', evidence: [] };
  const bodies = serveSearch(() => found([{ ...memory, score: 0.5 }, { kind: 'later' }]));
  const result = await search('rome', { ...options, kinds: ['memory'] });
  expect(bodies).toEqual([{ query: 'rome', user_id: 'ada', kinds: ['memory'] }]);
  expect(result.items).toEqual([]);
  expect(result.memories).toMatchObject([{ id: 'm', text: 'Lives in Rome', key: null, score: 0.5 }]);
});
