import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { postRun } from '../src/api.js';
import { answerTo, problem } from './server.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function createConnection(
  headers: Record<string, string>,
  count = Infinity,
): { requestTimes: number[]; fetch: typeof fetch } {
  const startedAt = Date.now();
  const requestTimes: number[] = [];
  return {
    requestTimes,
    fetch: () => {
      requestTimes.push(Date.now() - startedAt);
      const answer =
        requestTimes.length > count ? Response.json(answerTo({ prompt: 'Hello' })) : problem(409, 'Running.', headers);
      return Promise.resolve(answer);
    },
  };
}

function run(connection: { fetch: typeof fetch }, signal = new AbortController().signal): Promise<unknown> {
  return postRun(connection, { prompt: 'Hello' }, 'k', signal).catch((error: unknown) => error);
}

test.each([
  ['the value of Retry-After', { 'Retry-After': '2' }, [0, 2_000, 4_000]],
  ['one second without Retry-After', {}, [0, 1_000, 2_000]],
  ['a short time if Retry-After is zero', { 'Retry-After': '0' }, [0, 250, 500]],
  ['at most ten seconds', { 'Retry-After': '3600' }, [0, 10_000, 20_000]],
])('the pause while the first request runs is %s', async (_, headers, times) => {
  const connection = createConnection(headers, 2);
  const result = run(connection);
  await vi.runAllTimersAsync();
  expect(await result).toMatchObject({ answer: { response: 'You said: Hello' } });
  expect(connection.requestTimes).toEqual(times);
});

test('the client stops waiting for a running request after a minute', async () => {
  const connection = createConnection({ 'Retry-After': '1' });
  const result = run(connection);
  await vi.runAllTimersAsync();
  expect(await result).toMatchObject({ status: 409, detail: 'Running.' });
  expect(connection.requestTimes.at(-1)).toBe(61_000);
});

test('a stop ends the wait immediately and leaves no timer', async () => {
  const connection = createConnection({});
  const controller = new AbortController();
  const result = run(connection, controller.signal);
  await vi.advanceTimersByTimeAsync(500);
  expect(vi.getTimerCount()).toBe(1);
  controller.abort();
  expect(await result).toMatchObject({ isAbort: true });
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(0);
  expect(connection.requestTimes).toEqual([0]);
});

test('a request that was stopped before its start is not sent', async () => {
  const connection = createConnection({});
  expect(await run(connection, AbortSignal.abort())).toMatchObject({ isAbort: true });
  expect(connection.requestTimes).toEqual([]);
});
