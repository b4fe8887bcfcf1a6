import { act, renderHook } from '@testing-library/react';
import { StrictMode } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { useSearch, type UseSearchOptions, type UseSearchResult } from '../src/index.js';
import { deferred, problem } from './server.js';
import { found, foundItem } from './search-server.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface SentSearch {
  readonly query: string;
  readonly userId: string | undefined;
  readonly signal: AbortSignal;
  readonly respond: (response: Response) => Promise<void>;
}

/** Renders the hook with a server whose responses the test sends. */
function renderSearch(options: Partial<UseSearchOptions> = {}): {
  sent: SentSearch[];
  renders: UseSearchResult[];
  current: () => UseSearchResult;
  queries: () => string[];
  texts: () => string[];
  rerender: (more: Partial<UseSearchOptions>) => void;
  type: (query: string) => Promise<void>;
  unmount: () => void;
} {
  const sent: SentSearch[] = [];
  const renders: UseSearchResult[] = [];
  const fetch = (_: unknown, init: RequestInit = {}): Promise<Response> => {
    const { promise, resolve } = deferred<Response>();
    const { query, user_id } = JSON.parse(init.body as string) as { query: string; user_id?: string };
    const respond = async (response: Response): Promise<void> => {
      await act(async () => {
        resolve(response);
        await vi.advanceTimersByTimeAsync(0);
      });
    };
    sent.push({ query, userId: user_id, signal: init.signal ?? AbortSignal.abort(), respond });
    return promise;
  };
  let props: UseSearchOptions = { query: '', userId: 'ada', retries: 0, fetch, ...options };
  const { result, rerender, unmount } = renderHook(
    (given: UseSearchOptions) => {
      const search = useSearch(given);
      renders.push(search);
      return search;
    },
    { initialProps: props, wrapper: StrictMode },
  );
  const change = (more: Partial<UseSearchOptions>): void => {
    props = { ...props, ...more };
    rerender(props);
  };
  return {
    sent,
    renders,
    current: () => result.current,
    queries: () => sent.map(({ query }) => query),
    texts: () => result.current.items.map(({ userMessage }) => userMessage),
    rerender: change,
    async type(query) {
      change({ query });
      await act(() => vi.advanceTimersByTimeAsync(200));
    },
    unmount,
  };
}

test('without a query the hook is idle and sends nothing', async () => {
  const search = renderSearch();
  await search.type('  ');
  expect(search.current()).toMatchObject({ status: 'idle', items: [], error: undefined });
  expect(search.sent).toEqual([]);
});

test('one request follows a pause in the input', async () => {
  const search = renderSearch();
  for (const query of ['d', 'do', 'dog']) {
    search.rerender({ query });
    expect(search.current().status).toBe('loading');
    await act(() => vi.advanceTimersByTimeAsync(199));
  }
  expect(search.queries()).toEqual([]);
  await act(() => vi.advanceTimersByTimeAsync(1));
  expect(search.queries()).toEqual(['dog']);
  await search.sent[0]?.respond(found([foundItem('My dog')]));
  expect(search.current()).toMatchObject({
    status: 'ready',
    isComplete: true,
    searchedUpTo: expect.any(String) as string,
  });
  expect(search.texts()).toEqual(['My dog']);
});

test('a new query aborts the request before, and its late response is dropped', async () => {
  const search = renderSearch();
  await search.type('dog');
  await search.type('cat');
  expect(search.sent[0]?.signal.aborted).toBe(true);
  await search.sent[1]?.respond(found([foundItem('My cat')]));
  await search.sent[0]?.respond(found([foundItem('My dog')]));
  expect(search.texts()).toEqual(['My cat']);
  expect(search.current().status).toBe('ready');
});

test('the last results stay while a search loads, and no render looks like a search that found nothing', async () => {
  const search = renderSearch();
  await search.type('dog');
  await search.sent[0]?.respond(found([foundItem('My dog')]));
  await search.type('dogs');
  expect(search.current().status).toBe('loading');
  expect(search.texts()).toEqual(['My dog']);
  expect(search.renders.filter(({ status, items }) => status === 'ready' && items.length === 0)).toEqual([]);
  await search.sent[1]?.respond(found([]));
  expect(search.current()).toMatchObject({ status: 'ready', items: [], isComplete: true });
});

test('an emptied field drops the results, also for the next query', async () => {
  const search = renderSearch();
  await search.type('dog');
  await search.sent[0]?.respond(found([foundItem('My dog')]));
  await search.type('');
  expect(search.current()).toMatchObject({ status: 'idle', items: [] });
  await search.type('cat');
  expect(search.current()).toMatchObject({ status: 'loading', items: [] });
});

test('an incomplete search says so', async () => {
  const search = renderSearch();
  await search.type('dog');
  await search.sent[0]?.respond(found([], ['postgres', 'search'], null));
  expect(search.current()).toMatchObject({
    status: 'ready',
    items: [],
    isComplete: false,
    degraded: ['postgres', 'search'],
    searchedUpTo: null,
  });
});

test('an error is not an empty result, and refresh searches again', async () => {
  const search = renderSearch();
  await search.type('dog');
  await search.sent[0]?.respond(problem(503, 'PostgreSQL is not responding.'));
  expect(search.current()).toMatchObject({ status: 'error', items: [], isComplete: false });
  expect(search.current().error?.detail).toBe('PostgreSQL is not responding.');
  act(search.current().refresh);
  expect(search.current()).toMatchObject({ status: 'loading', error: undefined });
  await act(() => vi.advanceTimersByTimeAsync(200));
  await search.sent[1]?.respond(found([foundItem('My dog')]));
  expect(search.current().status).toBe('ready');
  expect(search.texts()).toEqual(['My dog']);
});

test('the results of another user or server are never shown', async () => {
  const search = renderSearch();
  await search.type('dog');
  await search.sent[0]?.respond(found([foundItem("Ada's dog")]));
  const renders = search.renders.length;
  search.rerender({ userId: 'lin' });
  expect(search.current()).toMatchObject({ status: 'loading', items: [] });
  await act(() => vi.advanceTimersByTimeAsync(200));
  expect(search.sent[1]).toMatchObject({ query: 'dog', userId: 'lin' });
  search.rerender({ baseUrl: 'http://other.test' });
  expect(search.renders.slice(renders).flatMap(({ items }) => items)).toEqual([]);
});

test('a change of the scope searches again; new functions and equal times do not', async () => {
  const search = renderSearch({ since: new Date(0) });
  await search.type('dog');
  search.rerender({ headers: () => ({ Authorization: 'x' }), since: new Date(0) });
  await act(() => vi.advanceTimersByTimeAsync(1_000));
  expect(search.queries()).toEqual(['dog']);
  search.rerender({ threadId: 't' });
  await act(() => vi.advanceTimersByTimeAsync(200));
  expect(search.queries()).toEqual(['dog', 'dog']);
});

test('unmounting aborts the request and leaves no timer', async () => {
  const search = renderSearch();
  await search.type('dog');
  search.rerender({ query: 'cat' });
  search.unmount();
  await vi.advanceTimersByTimeAsync(0);
  expect(search.sent[0]?.signal.aborted).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('the server renders the hook and sends nothing', () => {
  const fetch = vi.fn<typeof globalThis.fetch>();
  const Status = (): string => useSearch({ query: 'dog', fetch }).status;
  expect(renderToString(<Status />)).toBe('loading');
  expect(fetch).not.toHaveBeenCalled();
});
