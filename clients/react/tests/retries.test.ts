import { act } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { getMessages, postRun } from '../src/api.js';
import type { AgentChatError } from '../src/errors.js';
import { chat } from './chat.js';
import { answerTo, gate, problem, serve, tell } from './server.js';

afterEach(() => {
  vi.useRealTimers();
});

/** A connection that answers as told, one after the other, and then as it should; and when it was asked. */
function answering(...answers: (() => Response | Promise<Response>)[]): { asked: number[]; fetch: typeof fetch } {
  vi.useFakeTimers();
  const began = Date.now();
  const asked: number[] = [];
  return {
    asked,
    fetch: async () => {
      asked.push(Date.now() - began);
      await Promise.resolve();
      return answers[asked.length - 1]?.() ?? Response.json(answerTo({ prompt: 'Hello' }));
    },
  };
}

async function ran(connection: { fetch: typeof fetch; retries?: number; timeoutMs?: number }): Promise<unknown> {
  const done = postRun(connection, { prompt: 'Hello' }, 'k', new AbortController().signal).catch(
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  return done;
}

test.each([429, 502, 503, 504])('what passes is tried again by itself, with the same request: %i', async (status) => {
  const memory = serve({ run: (_, count) => (count < 3 ? problem(status, 'Not now.') : undefined) });
  const shown = chat({ retries: 3 });
  expect((await shown.say('Hello'))?.content).toBe('You said: Hello');
  expect(memory.runs).toHaveLength(3);
  expect(new Set(memory.runs.map(({ key, body }) => JSON.stringify([key, body]))).size).toBe(1);
  expect(memory.threads.get(shown.now.threadId ?? '')).toHaveLength(2);
});

test.each([400, 401, 403, 404, 413, 422, 500])('what does not pass is not tried again: %i', async (status) => {
  const connection = answering(() => problem(status, 'No.'));
  expect(await ran(connection)).toMatchObject({ status });
  expect(connection.asked).toEqual([0]);
});

test('an answer that is lost on the way is asked for again', async () => {
  const lost = (): never => {
    throw new TypeError('Failed to fetch');
  };
  const connection = answering(lost, lost);
  expect(await ran(connection)).toMatchObject({ answer: { response: 'You said: Hello' } });
  expect(connection.asked).toHaveLength(3);
});

test('an answer that is cut off is asked for again', async () => {
  const cut = (): Response =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"resp'));
          controller.error(new TypeError('network error'));
        },
      }),
    );
  expect(await ran(answering(cut))).toMatchObject({ answer: { response: 'You said: Hello' } });
});

test('it is tried four times, at growing intervals that are never the same', async () => {
  const all = Array.from({ length: 9 }, () => () => problem(503, 'Not now.'));
  const runs = [answering(...all), answering(...all)];
  for (const connection of runs) expect(await ran(connection)).toMatchObject({ status: 503 });
  for (const { asked } of runs) {
    expect(asked).toHaveLength(4);
    const [first = 0, second = 0, third = 0, fourth = 0] = asked;
    expect(second - first).toBeLessThanOrEqual(400);
    expect(third - second).toBeLessThanOrEqual(800);
    expect(fourth - third).toBeGreaterThanOrEqual(800);
  }
  expect(runs[0]?.asked).not.toEqual(runs[1]?.asked);
});

test('retries: 0 tries once', async () => {
  const connection = answering(() => problem(503, 'Not now.'));
  expect(await ran({ ...connection, retries: 0 })).toMatchObject({ status: 503 });
  expect(connection.asked).toEqual([0]);
});

test('never sooner than the server says, and not at all if that is long', async () => {
  const soon = answering(() => problem(503, 'Not now.', { 'Retry-After': '2' }));
  expect(await ran(soon)).toMatchObject({ answer: {} });
  expect(soon.asked[1]).toBeGreaterThanOrEqual(2000);
  expect(soon.asked[1]).toBeLessThan(2500);
  const date = answering(() => problem(429, 'Not now.', { 'Retry-After': new Date(Date.now() + 3000).toUTCString() }));
  expect(await ran(date)).toMatchObject({ answer: {} });
  expect(date.asked[1]).toBeGreaterThanOrEqual(1000);
  const late = answering(() => problem(503, 'Not now.', { 'Retry-After': '60' }));
  expect(await ran(late)).toMatchObject({ status: 503, retryAfter: 60 });
  expect(late.asked).toEqual([0]);
});

test('offline, nothing is tried again before the network is back', async () => {
  vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
  const connection = answering(() => {
    throw new TypeError('Failed to fetch');
  });
  expect(await ran(connection)).toMatchObject({ status: 0, detail: 'You are offline.' });
  expect(connection.asked).toEqual([0]);
});

test.each([
  ['a minute', {}, 60_000],
  ['what the options say', { timeoutMs: 500 }, 500],
])('an answer may take %s, with its body, and is then given up', async (_, options, most) => {
  const signals: (AbortSignal | null | undefined)[] = [];
  vi.useFakeTimers();
  const began = Date.now();
  for (const answer of [gate<Response>().opened, new Response(new ReadableStream())]) {
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
  expect(Date.now() - began).toBe(2 * most);
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
});

test('a stop ends the pause between two attempts', async () => {
  const connection = answering(() => problem(503, 'Not now.'));
  const controller = new AbortController();
  const asking = postRun(connection, { prompt: 'Hello' }, 'k', controller.signal).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(100);
  controller.abort();
  expect(await asking).toMatchObject({ isAbort: true });
  expect(vi.getTimerCount()).toBe(0);
});

test('messages are read again by themselves, too', async () => {
  const memory = serve({ read: (count) => (count < 3 ? problem(503, 'postgres did not answer.') : undefined) });
  tell(memory, 't', 1);
  const shown = chat({ threadId: 't', retries: 3 });
  await shown.until(({ messages }) => messages.length === 2);
  expect(shown.now.error).toBeUndefined();
  await act(() => Promise.resolve());
  const page = await getMessages(
    { baseUrl: 'http://api.test/local' },
    'none',
    { limit: 1, cursor: null },
    AbortSignal.timeout(9000),
  );
  expect(page.items).toEqual([]);
});
