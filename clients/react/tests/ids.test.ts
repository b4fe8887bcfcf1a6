import { afterEach, expect, test, vi } from 'vitest';
import { clock, syncClock } from '#client/clock.js';
import { isTimeOrdered, newestOf, newExchangeId, newId } from '#client/ids.js';
import { renderChat } from './render-chat.js';
import { problem, serve, store } from './server.js';

const VERSION_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const VERSION_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

afterEach(() => {
  vi.useRealTimers();
  clock.skew = 0;
});

function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function responseAt(milliseconds: number): Response {
  return new Response(null, { headers: { Date: new Date(milliseconds).toUTCString() } });
}

test.each([
  ['a secure page', globalThis.crypto],
  ['plain HTTP', { getRandomValues: globalThis.crypto.getRandomValues.bind(globalThis.crypto) }],
  ['a page without crypto', undefined],
])('ids are unique UUIDs, and exchange ids increase: %s', (_, crypto) => {
  vi.stubGlobal('crypto', crypto);
  const ids = Array.from({ length: 1000 }, newId);
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(VERSION_4);
  const startedAt = Date.now();
  const exchanges = Array.from({ length: 20_000 }, () => newExchangeId());
  for (const id of exchanges) expect(id).toMatch(VERSION_7);
  expect(exchanges).toEqual([...new Set(exchanges)].sort());
  expect(timeOf(exchanges[0] ?? '')).toBeGreaterThanOrEqual(startedAt);
  // The ids must not reach the future, because the server rejects such ids.
  expect(timeOf(exchanges.at(-1) ?? '')).toBeLessThan(Date.now() + 1000);
});

test('ids increase even if the clock is set back', () => {
  vi.useFakeTimers({ now: Date.now() + 1000 });
  const before = newExchangeId();
  vi.setSystemTime(Date.now() - 3_600_000);
  expect([newExchangeId(), newExchangeId()].every((id) => id > before)).toBe(true);
});

test('an id is greater than the given UUIDv7, unless the given one is far in the future', () => {
  const historyId = newExchangeId().replace(
    /^.{13}/,
    (Date.now() + 4000)
      .toString(16)
      .padStart(12, '0')
      .replace(/^(.{8})/, '$1-'),
  );
  const next = newExchangeId(historyId);
  expect(next > historyId).toBe(true);
  expect(timeOf(next)).toBe(timeOf(historyId));
  expect(newExchangeId('ffffffff-ffff-7fff-bfff-ffffffffffff')).toMatch(VERSION_4);
  expect(newExchangeId('ffffffff-ffff-4fff-bfff-ffffffffffff')).toMatch(VERSION_7);
});

test('newestOf returns the greatest UUIDv7', () => {
  const [one, two] = [newExchangeId(), newExchangeId()];
  expect(newestOf([null, two, one, 'ffffffff-ffff-4fff-bfff-ffffffffffff', 'zzz'])).toBe(two);
  expect(newestOf(['t-1'])).toBeUndefined();
  expect([isTimeOrdered(one), isTimeOrdered('t-1')]).toEqual([true, false]);
});

test.each([-86_400_000, 3_600_000])('ids have the server’s time if this clock is %i ms off', (skew) => {
  syncClock(responseAt(Date.now() + skew));
  expect(Math.abs(timeOf(newExchangeId()) - (Date.now() + skew))).toBeLessThan(5000);
  syncClock(new Response());
  syncClock(responseAt(Date.now() + skew + 1000));
  expect(Math.abs(clock.skew - skew)).toBeLessThan(2000);
  syncClock(responseAt(Date.now()));
  expect(clock.skew).toBe(0);
});

test('a difference of one second is ignored, because the header has whole seconds', () => {
  syncClock(responseAt(Date.now() + 1000));
  expect(clock.skew).toBe(0);
});

test('new exchange ids sort after those of the history, and thread ids contain no time', async () => {
  const memory = serve();
  const historyId = newExchangeId().replace(
    /^.{13}/,
    (Date.now() + 3000)
      .toString(16)
      .padStart(12, '0')
      .replace(/^(.{8})/, '$1-'),
  );
  store(memory, 't', historyId, 'q', 'a');
  const chat = renderChat({ threadId: 't' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  await chat.send('Hello');
  expect((memory.runs[0]?.body.exchange_id ?? '') > historyId).toBe(true);
  expect(renderChat({ persist: false }).current.threadId).toMatch(VERSION_4);
});

test('an id that the server rejects is replaced, and every retry sends the new id', async () => {
  const refusal = {
    type: 'about:blank',
    title: 'Unprocessable',
    status: 422,
    detail: 'exchange_id: is from the future',
  };
  const errors = [{ field: 'exchange_id', in: 'body', detail: 'is from the future' }];
  const memory = serve({
    run: (_, count) => {
      if (count > 2) return undefined;
      if (count === 2) return problem(503, 'Not now.');
      return Response.json(
        { ...refusal, errors },
        { status: 422, headers: { 'Content-Type': 'application/problem+json' } },
      );
    },
  });
  const chat = renderChat();
  await chat.send('Hello');
  const id = chat.current.messages[0]?.id;
  expect(chat.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  chat.act(({ retry }) => void retry());
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.current.messages).toMatchObject([{ id, status: 'sent' }, { content: 'You said: Hello' }]);
  const [first, second, third] = memory.runs;
  expect(first?.key).toMatch(VERSION_7);
  expect(second?.key).toMatch(VERSION_4);
  expect(second?.body).toEqual({ ...first?.body, exchange_id: second?.key });
  expect(third?.body).toEqual(second?.body);
});

test('the hook works without crypto.randomUUID', async () => {
  serve();
  const { crypto } = globalThis;
  const chat = renderChat({
    fetch: (input, init) => {
      // msw needs crypto.randomUUID for its own ids.
      vi.stubGlobal('crypto', crypto);
      return fetch(input, init);
    },
  });
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  chat.act(({ newThread }) => newThread());
  expect(chat.current.threadId).toMatch(VERSION_4);
  expect((await chat.send('Hello'))?.content).toBe('You said: Hello');
});
