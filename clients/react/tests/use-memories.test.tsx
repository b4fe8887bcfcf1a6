import { act, renderHook } from '@testing-library/react';
import { StrictMode } from 'react';
import { expect, test } from 'vitest';
import { isCurrent, useMemories, type Memory, type UseMemoriesResult } from '../src/index.js';
import { deferred, problem } from './server.js';

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly signal: AbortSignal;
  readonly respond: (body: unknown, status?: number) => Promise<void>;
  readonly fail: () => Promise<void>;
}

const ROME = memory('rome', 'Lives in Rome');
const SUSHI = memory('sushi', 'Likes sushi');

function memory(id: string, text: string, more: object = {}): Record<string, unknown> {
  const time = '2026-11-22T16:08:00.000000Z';
  return { id, kind: 'fact', text, valid_from: time, evidence: [], source: 'learned', created_at: time, ...more };
}

/** Renders the hook with a server whose responses the test sends. */
function renderMemories(initial: { userId?: string | null; includeSuperseded?: boolean } = {}): {
  sent: Sent[];
  renders: UseMemoriesResult[];
  current: () => UseMemoriesResult;
  texts: () => string[];
  rerender: (props: { userId?: string | null; includeSuperseded?: boolean }) => void;
  list: (...items: object[]) => Promise<void>;
} {
  const sent: Sent[] = [];
  const renders: UseMemoriesResult[] = [];
  const fetch = (url: unknown, init: RequestInit = {}): Promise<Response> => {
    const { promise, resolve } = deferred<Response>();
    const answer = (response: Response): Promise<void> =>
      act(async () => {
        resolve(response);
        await new Promise((done) => setTimeout(done));
      });
    sent.push({
      method: init.method ?? 'GET',
      path: String(url),
      body: init.body === undefined ? undefined : (JSON.parse(init.body as string) as unknown),
      signal: init.signal ?? AbortSignal.abort(),
      respond: (body, status = 200) =>
        answer(status === 204 ? new Response(null, { status }) : Response.json(body, { status })),
      fail: () => answer(problem(503, 'PostgreSQL is not responding.')),
    });
    return promise;
  };
  const { result, rerender } = renderHook(
    ({ userId, includeSuperseded }: { userId?: string | null; includeSuperseded?: boolean }) => {
      const known = useMemories(userId === undefined ? 'ada' : userId, { fetch, retries: 0, includeSuperseded });
      renders.push(known);
      return known;
    },
    { initialProps: initial, wrapper: StrictMode },
  );
  return {
    sent,
    renders,
    current: () => result.current,
    texts: () => result.current.memories.map(({ text }) => text),
    rerender,
    list: (...items) => sent.at(-1)?.respond({ items, omitted: 0, degraded: [] }) ?? Promise.resolve(),
  };
}

test('the list is loaded once, with quotes and ends', async () => {
  const known = renderMemories({ includeSuperseded: true });
  expect(known.current().status).toBe('loading');
  const quote = { thread_id: 't', exchange_id: 'e', quote: 'I live in Rome.' };
  const ended = { valid_to: '2026-11-23T00:00:00Z', superseded_by: 'oslo', evidence: [quote] };
  await known.list(memory('rome', 'Lives in Rome', ended));
  expect(known.sent.at(-1)?.path).toBe('/users/ada/memories?include_superseded=true');
  expect(known.sent.filter(({ signal }) => !signal.aborted)).toHaveLength(1);
  expect(known.current()).toMatchObject({ status: 'ready', omitted: 0, degraded: [], error: undefined });
  const [rome] = known.current().memories;
  expect(rome).toMatchObject({ supersededBy: 'oslo', isPending: false, key: null });
  expect(rome?.evidence).toEqual([{ threadId: 't', exchangeId: 'e', quote: 'I live in Rome.' }]);
});

test('a list of several pages is shown when it is complete', async () => {
  const known = renderMemories();
  await known.sent.at(-1)?.respond({ items: [ROME], omitted: 1, next_cursor: 'a+b', degraded: [] });
  expect(known.current()).toMatchObject({ status: 'loading', memories: [] });
  expect(known.sent.at(-1)?.path).toBe('/users/ada/memories?cursor=a%2Bb');
  await known.sent.at(-1)?.respond({ items: [SUSHI], omitted: 0, next_cursor: null, degraded: [] });
  expect(known.texts()).toEqual(['Lives in Rome', 'Likes sushi']);
  expect(known.current()).toMatchObject({ status: 'ready', omitted: 0 });
});

test('an added memory is shown at once, and then as the server stored it', async () => {
  const known = renderMemories();
  await known.list(ROME);
  let added: Promise<Memory | undefined> | undefined;
  act(() => {
    added = known.current().add({ kind: 'preference', key: 'units', text: 'metric' });
  });
  expect(known.current().memories[0]).toMatchObject({ text: 'metric', key: 'units', isPending: true });
  const units = memory('units', 'metric', { kind: 'preference', key: 'units' });
  await known.sent.at(-1)?.respond(units, 201);
  expect(known.sent.at(-2)?.body).toEqual({ kind: 'preference', key: 'units', text: 'metric' });
  expect(await added).toMatchObject({ id: 'units' });
  expect(known.current().memories[0]).toMatchObject({ id: 'units', isPending: false });
  // A change can end other memories, so the list is loaded again.
  expect(known.sent.at(-1)).toMatchObject({ method: 'GET' });
  await known.list(units);
  expect(known.texts()).toEqual(['metric']);
});

test('a failed change shows the state before and why', async () => {
  const known = renderMemories();
  await known.list(ROME, SUSHI);
  const changes: [() => Promise<unknown>, string[], unknown][] = [
    [() => known.current().add({ text: 'Has a dog' }), ['Has a dog', 'Lives in Rome', 'Likes sushi'], undefined],
    [() => known.current().correct('rome', 'Lives in Oslo'), ['Lives in Oslo', 'Likes sushi'], undefined],
    [() => known.current().forget('rome'), ['Likes sushi'], false],
  ];
  for (const [change, shown, result] of changes) {
    let done: Promise<unknown> | undefined;
    act(() => {
      done = change();
    });
    expect(known.texts()).toEqual(shown);
    await known.sent.at(-1)?.fail();
    expect(await done).toBe(result);
    expect(known.texts()).toEqual(['Lives in Rome', 'Likes sushi']);
    expect(known.current().error?.detail).toBe('PostgreSQL is not responding.');
    await known.list(ROME, SUSHI);
    expect(known.current().error).toBeDefined();
  }
  act(() => {
    known.current().clearError();
  });
  expect(known.current().error).toBeUndefined();
});

test('a list that was requested before a change does not revert it', async () => {
  const known = renderMemories();
  await known.list(ROME, SUSHI);
  act(() => void known.current().refresh());
  const late = known.sent.at(-1);
  act(() => void known.current().forget('rome'));
  await known.sent.at(-1)?.respond(undefined, 204);
  await late?.respond({ items: [ROME, SUSHI], omitted: 0, degraded: [] });
  expect(known.texts()).toEqual(['Likes sushi']);
  await known.list(SUSHI);
  expect(known.renders.slice(-4).flatMap(({ memories }) => memories.map(({ id }) => id))).not.toContain('rome');
});

test('a memory that does not exist any more counts as deleted', async () => {
  const known = renderMemories();
  await known.list(ROME);
  let done: Promise<boolean> | undefined;
  act(() => {
    done = known.current().forget('rome');
  });
  await known.sent
    .at(-1)
    ?.respond({ type: 'about:blank', title: 'Not found', status: 404, detail: 'x', request_id: 'r' }, 404);
  expect(typeof (await done)).toBe('boolean');
});

test('a failed load is not an empty list, and refresh loads again', async () => {
  const known = renderMemories();
  await known.sent.at(-1)?.fail();
  expect(known.current()).toMatchObject({ status: 'error', memories: [] });
  act(() => void known.current().refresh());
  await known.list(ROME);
  expect(known.current()).toMatchObject({ status: 'ready', error: undefined });
  expect(known.texts()).toEqual(['Lives in Rome']);
});

test('the memories of another user are never shown', async () => {
  const known = renderMemories();
  await known.list(ROME);
  const renders = known.renders.length;
  known.rerender({ userId: 'lin' });
  expect(known.current()).toMatchObject({ status: 'loading', memories: [] });
  expect(known.sent.at(-1)?.path).toBe('/users/lin/memories');
  known.rerender({ userId: null });
  expect(known.current()).toMatchObject({ status: 'idle', memories: [] });
  expect(await known.current().forget('rome')).toBe(false);
  expect(known.renders.slice(renders).flatMap(({ memories }) => memories)).toEqual([]);
});

test('a memory is current until its end, which is never before its start', () => {
  const now = new Date('2026-11-22T12:00:00Z');
  const of = (validFrom: string, validTo: string | null): Memory => ({
    id: 'm',
    kind: 'fact',
    key: null,
    text: '',
    validFrom,
    validTo,
    supersededBy: null,
    evidence: [],
    source: 'learned',
    createdAt: validFrom,
  });
  expect(isCurrent(of('2026-11-01T00:00:00Z', null), now)).toBe(true);
  expect(isCurrent(of('2026-11-01T00:00:00Z', '2026-11-23T00:00:00Z'), now)).toBe(true);
  expect(isCurrent(of('2026-11-01T00:00:00Z', '2026-11-22T00:00:00Z'), now)).toBe(false);
  expect(isCurrent(of('2026-12-01T00:00:00Z', '2026-12-01T00:00:00Z'), now)).toBe(false);
});
