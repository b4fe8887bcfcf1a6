import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { postRun } from '../src/api.js';
import { answerTo, problem } from './server.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function running(headers: Record<string, string>, count = Infinity): { asked: number[]; fetch: typeof fetch } {
  const began = Date.now();
  const asked: number[] = [];
  return {
    asked,
    fetch: () => {
      asked.push(Date.now() - began);
      const answer =
        asked.length > count ? Response.json(answerTo({ prompt: 'Hello' })) : problem(409, 'Running.', headers);
      return Promise.resolve(answer);
    },
  };
}

function run(connection: { fetch: typeof fetch }, signal = new AbortController().signal): Promise<unknown> {
  return postRun(connection, { prompt: 'Hello' }, 'k', signal).catch((error: unknown) => error);
}

test.each([
  ['as long as the server says', { 'Retry-After': '2' }, [0, 2_000, 4_000]],
  ['a second, if the server does not say', {}, [0, 1_000, 2_000]],
  ['a moment, if the server says none', { 'Retry-After': '0' }, [0, 250, 500]],
  ['ten seconds at most', { 'Retry-After': '3600' }, [0, 10_000, 20_000]],
])('between two questions for an answer that is still made there is %s', async (_, headers, times) => {
  const connection = running(headers, 2);
  const ran = run(connection);
  await vi.runAllTimersAsync();
  expect(await ran).toMatchObject({ answer: { response: 'You said: Hello' } });
  expect(connection.asked).toEqual(times);
});

test('an answer that is still made after a minute is not waited for', async () => {
  const connection = running({ 'Retry-After': '1' });
  const ran = run(connection);
  await vi.runAllTimersAsync();
  expect(await ran).toMatchObject({ status: 409, detail: 'Running.' });
  expect(connection.asked.at(-1)).toBe(61_000);
});

test('a stop ends the waiting at once, and leaves no timer', async () => {
  const connection = running({});
  const controller = new AbortController();
  const ran = run(connection, controller.signal);
  await vi.advanceTimersByTimeAsync(500);
  expect(vi.getTimerCount()).toBe(1);
  controller.abort();
  expect(await ran).toMatchObject({ isAbort: true });
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(0);
  expect(connection.asked).toEqual([0]);
});

test('what was stopped before it began is not sent', async () => {
  const connection = running({});
  expect(await run(connection, AbortSignal.abort())).toMatchObject({ isAbort: true });
  expect(connection.asked).toEqual([]);
});
