import { act } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { getMessages, postRun } from '../src/api.js';
import type { AgentChatError } from '../src/errors.js';
import { renderChat } from './render-chat.js';
import { answerTo, deferred, problem, serve, storeExchanges } from './server.js';

afterEach(() => {
  vi.useRealTimers();
});

/** Returns a connection that gives these responses in order and then an answer, and the times of its requests. */
function createConnection(...answers: (() => Response | Promise<Response>)[]): {
  requestTimes: number[];
  fetch: typeof fetch;
} {
  vi.useFakeTimers();
  const startedAt = Date.now();
  const requestTimes: number[] = [];
  return {
    requestTimes,
    fetch: async () => {
      requestTimes.push(Date.now() - startedAt);
      await Promise.resolve();
      return answers[requestTimes.length - 1]?.() ?? Response.json(answerTo({ prompt: 'Hello' }));
    },
  };
}

async function runToEnd(connection: { fetch: typeof fetch; retries?: number; timeoutMs?: number }): Promise<unknown> {
  const result = postRun(connection, { prompt: 'Hello' }, 'k', new AbortController().signal).catch(
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  return result;
}

test.each([429, 502, 503, 504])('a temporary error is retried with the same request: %i', async (status) => {
  const memory = serve({ run: (_, count) => (count < 3 ? problem(status, 'Not now.') : undefined) });
  const chat = renderChat({ retries: 3 });
  expect((await chat.send('Hello'))?.content).toBe('You said: Hello');
  expect(memory.runs).toHaveLength(3);
  expect(new Set(memory.runs.map(({ key, body }) => JSON.stringify([key, body]))).size).toBe(1);
  expect(memory.threads.get(chat.current.threadId ?? '')).toHaveLength(2);
});

test.each([400, 401, 403, 404, 413, 422, 500])('a permanent error is not retried: %i', async (status) => {
  const connection = createConnection(() => problem(status, 'No.'));
  expect(await runToEnd(connection)).toMatchObject({ status });
  expect(connection.requestTimes).toEqual([0]);
});

test('a lost response is requested again', async () => {
  const failFetch = (): never => {
    throw new TypeError('Failed to fetch');
  };
  const connection = createConnection(failFetch, failFetch);
  expect(await runToEnd(connection)).toMatchObject({ answer: { response: 'You said: Hello' } });
  expect(connection.requestTimes).toHaveLength(3);
});

test('a truncated response is requested again', async () => {
  const truncate = (): Response =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"resp'));
          controller.error(new TypeError('network error'));
        },
      }),
    );
  expect(await runToEnd(createConnection(truncate))).toMatchObject({ answer: { response: 'You said: Hello' } });
});

test('a request has at most four attempts, and the random pauses between them grow', async () => {
  const problems = Array.from({ length: 9 }, () => () => problem(503, 'Not now.'));
  const runs = [createConnection(...problems), createConnection(...problems)];
  for (const connection of runs) expect(await runToEnd(connection)).toMatchObject({ status: 503 });
  for (const { requestTimes } of runs) {
    expect(requestTimes).toHaveLength(4);
    const [first = 0, second = 0, third = 0, fourth = 0] = requestTimes;
    expect(second - first).toBeLessThanOrEqual(400);
    expect(third - second).toBeLessThanOrEqual(800);
    expect(fourth - third).toBeGreaterThanOrEqual(800);
  }
  expect(runs[0]?.requestTimes).not.toEqual(runs[1]?.requestTimes);
});

test('retries: 0 makes one attempt', async () => {
  const connection = createConnection(() => problem(503, 'Not now.'));
  expect(await runToEnd({ ...connection, retries: 0 })).toMatchObject({ status: 503 });
  expect(connection.requestTimes).toEqual([0]);
});

test('a retry waits as long as Retry-After says, and a long Retry-After prevents the retry', async () => {
  const soon = createConnection(() => problem(503, 'Not now.', { 'Retry-After': '2' }));
  expect(await runToEnd(soon)).toMatchObject({ answer: {} });
  expect(soon.requestTimes[1]).toBeGreaterThanOrEqual(2000);
  expect(soon.requestTimes[1]).toBeLessThan(2500);
  const date = createConnection(() =>
    problem(429, 'Not now.', { 'Retry-After': new Date(Date.now() + 3000).toUTCString() }),
  );
  expect(await runToEnd(date)).toMatchObject({ answer: {} });
  expect(date.requestTimes[1]).toBeGreaterThanOrEqual(1000);
  const late = createConnection(() => problem(503, 'Not now.', { 'Retry-After': '60' }));
  expect(await runToEnd(late)).toMatchObject({ status: 503, retryAfter: 60 });
  expect(late.requestTimes).toEqual([0]);
});

test('there are no retries while the browser is offline', async () => {
  vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
  const connection = createConnection(() => {
    throw new TypeError('Failed to fetch');
  });
  expect(await runToEnd(connection)).toMatchObject({ status: 0, detail: 'You are offline.' });
  expect(connection.requestTimes).toEqual([0]);
});

test.each([
  ['a minute by default', {}, 60_000],
  ['the value of the option', { timeoutMs: 500 }, 500],
])('the timeout, which includes the response body, is %s', async (_, options, expectedMs) => {
  const signals: (AbortSignal | null | undefined)[] = [];
  vi.useFakeTimers();
  const startedAt = Date.now();
  for (const answer of [deferred<Response>().promise, new Response(new ReadableStream())]) {
    const asking = postRun(
      {
        ...options,
        fetch: (_url, init) => {
          signals.push(init?.signal);
          return Promise.resolve(answer);
        },
      },
      { prompt: 'Hello' },
      'k',
      new AbortController().signal,
    ).catch((caught: unknown) => caught as AgentChatError);
    await vi.runAllTimersAsync();
    expect(await asking).toMatchObject({ status: 0, isTimeout: true, isAbort: false });
  }
  expect(Date.now() - startedAt).toBe(2 * expectedMs);
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
});

test('a stop ends the pause between two attempts', async () => {
  const connection = createConnection(() => problem(503, 'Not now.'));
  const controller = new AbortController();
  const asking = postRun(connection, { prompt: 'Hello' }, 'k', controller.signal).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(100);
  controller.abort();
  expect(await asking).toMatchObject({ isAbort: true });
  expect(vi.getTimerCount()).toBe(0);
});

test('reading messages is retried, too', async () => {
  const memory = serve({ read: (count) => (count < 3 ? problem(503, 'postgres did not answer.') : undefined) });
  storeExchanges(memory, 't', 1);
  const chat = renderChat({ threadId: 't', retries: 3 });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(chat.current.error).toBeUndefined();
  await act(() => Promise.resolve());
  const page = await getMessages(
    { baseUrl: 'http://api.test/local' },
    'none',
    { limit: 1, cursor: null },
    AbortSignal.timeout(9000),
  );
  expect(page.items).toEqual([]);
});
