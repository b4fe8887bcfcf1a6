import { afterEach, expect, test, vi } from 'vitest';
import { clock, syncClock } from '../src/clock.js';
import { isTimeOrdered, newestOf, newExchangeId, newId } from '../src/ids.js';
import { chat } from './chat.js';
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

function answerAt(milliseconds: number): Response {
  return new Response(null, { headers: { Date: new Date(milliseconds).toUTCString() } });
}

test.each([
  ['a secure page', globalThis.crypto],
  ['plain HTTP', { getRandomValues: globalThis.crypto.getRandomValues.bind(globalThis.crypto) }],
  ['a page without crypto', undefined],
])('ids are UUIDs, and no two are the same; those of exchanges rise: %s', (_, crypto) => {
  vi.stubGlobal('crypto', crypto);
  const ids = Array.from({ length: 1000 }, newId);
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(VERSION_4);
  const began = Date.now();
  const exchanges = Array.from({ length: 20_000 }, () => newExchangeId());
  for (const id of exchanges) expect(id).toMatch(VERSION_7);
  expect(exchanges).toEqual([...new Set(exchanges)].sort());
  expect(timeOf(exchanges[0] ?? '')).toBeGreaterThanOrEqual(began);
  // Rising may not run into the future, from where the server takes no ids.
  expect(timeOf(exchanges.at(-1) ?? '')).toBeLessThan(Date.now() + 1000);
});

test('ids rise although the clock is set back', () => {
  vi.useFakeTimers({ now: Date.now() + 1000 });
  const before = newExchangeId();
  vi.setSystemTime(Date.now() - 3_600_000);
  expect([newExchangeId(), newExchangeId()].every((id) => id > before)).toBe(true);
});

test('an id is greater than one that was shown, unless that is from the future', () => {
  const shown = newExchangeId().replace(
    /^.{13}/,
    (Date.now() + 4000)
      .toString(16)
      .padStart(12, '0')
      .replace(/^(.{8})/, '$1-'),
  );
  const next = newExchangeId(shown);
  expect(next > shown).toBe(true);
  expect(timeOf(next)).toBe(timeOf(shown));
  expect(newExchangeId('ffffffff-ffff-7fff-bfff-ffffffffffff')).toMatch(VERSION_4);
  expect(newExchangeId('ffffffff-ffff-4fff-bfff-ffffffffffff')).toMatch(VERSION_7);
});

test('the newest of ids is the greatest of version 7', () => {
  const [one, two] = [newExchangeId(), newExchangeId()];
  expect(newestOf([null, two, one, 'ffffffff-ffff-4fff-bfff-ffffffffffff', 'zzz'])).toBe(two);
  expect(newestOf(['t-1'])).toBeUndefined();
  expect([isTimeOrdered(one), isTimeOrdered('t-1')]).toEqual([true, false]);
});

test.each([-86_400_000, 3_600_000])('ids have the time that the server told: %i ms off', (off) => {
  syncClock(answerAt(Date.now() + off));
  expect(Math.abs(timeOf(newExchangeId()) - (Date.now() + off))).toBeLessThan(5000);
  syncClock(new Response());
  syncClock(answerAt(Date.now() + off + 1000));
  expect(Math.abs(clock.skew - off)).toBeLessThan(2000);
  syncClock(answerAt(Date.now()));
  expect(clock.skew).toBe(0);
});

test('a second of difference is the rounding of the header', () => {
  syncClock(answerAt(Date.now() + 1000));
  expect(clock.skew).toBe(0);
});

test('exchanges sort after those that the history shows, and thread ids say nothing of time', async () => {
  const memory = serve();
  const shown = newExchangeId().replace(
    /^.{13}/,
    (Date.now() + 3000)
      .toString(16)
      .padStart(12, '0')
      .replace(/^(.{8})/, '$1-'),
  );
  store(memory, 't', shown, 'q', 'a');
  const one = chat({ threadId: 't' });
  await one.until(({ messages }) => messages.length === 2);
  await one.say('Hello');
  expect((memory.runs[0]?.body.exchange_id ?? '') > shown).toBe(true);
  expect(chat({ persist: false }).now.threadId).toMatch(VERSION_4);
});

test('an id that the server refuses as one from the future is replaced, and the turn is one', async () => {
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
  const shown = chat();
  await shown.say('Hello');
  const id = shown.now.messages[0]?.id;
  expect(shown.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  shown.do(({ retry }) => void retry());
  await shown.until(({ status }) => status === 'ready');
  expect(shown.now.messages).toMatchObject([{ id, status: 'sent' }, { content: 'You said: Hello' }]);
  const [first, second, third] = memory.runs;
  expect(first?.key).toMatch(VERSION_7);
  expect(second?.key).toMatch(VERSION_4);
  expect(second?.body).toEqual({ ...first?.body, exchange_id: second?.key });
  expect(third?.body).toEqual(second?.body);
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
  expect(shown.now.threadId).toMatch(VERSION_4);
  expect((await shown.say('Hello'))?.content).toBe('You said: Hello');
});
