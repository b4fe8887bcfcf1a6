import { expect, test } from 'vitest';
import { isMissing, kindOf, MemoryClient, MemoryClientError } from '../src/index.js';
import { FakeMemory } from '../src/testing.js';

const API = 'http://api.test/prod';

function setUp(agent?: (prompt: string) => Promise<string>): { fake: FakeMemory; client: MemoryClient } {
  const fake = new FakeMemory(agent && { agent });
  return { fake, client: new MemoryClient({ baseUrl: API, fetch: fake.fetch }) };
}

async function errorOf(request: Promise<unknown>): Promise<MemoryClientError> {
  const error: unknown = await request.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!(error instanceof MemoryClientError)) throw new Error('the request did not fail', { cause: error });
  return error;
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const unavailable = (): Response => new Response(null, { status: 503, headers: { 'Retry-After': '0' } });

test('a turn is stored with its metadata and documents, and read page by page', async () => {
  const { client } = setUp();
  for (const prompt of ['one', 'two', 'three']) {
    await client.run({ prompt, thread_id: 't/1', user_id: 'ada', metadata: { prompt }, document_ids: ['d'] });
  }
  const messages = await listOf(client.messages('t/1', { limit: 4 }));
  expect(messages.map(({ content }) => content)).toEqual([
    ...['one', 'You said: one', 'two', 'You said: two', 'three', 'You said: three'],
  ]);
  expect(messages[0]?.metadata).toEqual({ prompt: 'one' });
  expect(await client.readThread('t/1')).toMatchObject({ title: 'one', message_count: 6, document_ids: ['d'] });
  expect(await listOf(client.threads({ user_id: 'ada', limit: 1 }))).toMatchObject([{ thread_id: 't/1' }]);
});

test.each([['no response'], ['an answer that was lost']])('a turn runs once after %s', async (failure) => {
  const { fake, client } = setUp();
  if (failure === 'no response') fake.failNext(new TypeError('network'));
  const lossy: typeof fetch = async (input, init) => {
    const response = await fake.fetch(input, init);
    return failure !== 'no response' && fake.requests.length === 1 ? unavailable() : response;
  };
  const retrying = new MemoryClient({ baseUrl: API, fetch: lossy });
  expect(await retrying.run({ prompt: 'Hello', thread_id: 't' })).toMatchObject({ response: 'You said: Hello' });
  expect(fake.requests).toEqual(['POST /prod/run', 'POST /prod/run']);
  expect(fake.exchangesOf('t')).toHaveLength(1);
  fake.failNext(unavailable());
  await client.invoked({ thread_id: 't', user_message: 'a', assistant_message: 'b' });
  expect(fake.exchangesOf('t')).toHaveLength(2);
});

test('a repetition of a running turn waits for its answer', async () => {
  let finish: (answer: string) => void = () => undefined;
  const { fake, client } = setUp(() => new Promise((resolve) => (finish = resolve)));
  const first = client.run({ prompt: 'Hello', thread_id: 't' }, { idempotencyKey: 'k' });
  const second = client.run({ prompt: 'Hello', thread_id: 't' }, { idempotencyKey: 'k' });
  setTimeout(() => {
    finish('Hi');
  }, 50);
  expect(await second).toEqual(await first);
  expect(fake.exchangesOf('t')).toHaveLength(1);
});

test('an exchange is replaced in its place and deleted', async () => {
  const { fake, client } = setUp();
  const id = (await client.run({ prompt: 'one', thread_id: 't' })).exchange_id ?? '';
  await client.replaceExchange('t', id, { user_message: 'ONE', assistant_message: 'Yes' });
  expect(fake.exchangesOf('t')).toMatchObject([{ userMessage: 'ONE', revision: 1 }]);
  await client.deleteExchange('t', id);
  await client.deleteExchange('t', id);
  const deleted = { thread_id: 't', exchange_id: id, user_message: 'a', assistant_message: 'b' };
  expect(await client.invoked(deleted)).toMatchObject({ durability: 'none' });
  const error = await errorOf(client.replaceExchange('t', id, { user_message: 'a', assistant_message: 'b' }));
  expect([isMissing(error), kindOf(error)]).toEqual([true, 'not-found']);
});

test('an import gets an id of its time', async () => {
  const { fake, client } = setUp();
  const created_at = '2020-01-02T03:04:05.678Z';
  await client.invoked({ thread_id: 't', user_message: 'a', assistant_message: 'b', created_at });
  const [stored] = fake.exchangesOf('t');
  const time = Number.parseInt((stored?.exchangeId ?? '').replace('-', '').slice(0, 12), 16);
  expect(new Date(time).toISOString()).toBe(created_at);
  expect(stored?.exchangeId).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});

test('preferences, memories, search and the context', async () => {
  const { client } = setUp();
  await client.replacePreferences('ada', { units: 'metric', tone: 'brief' });
  expect(await client.mergePreferences('ada', { tone: null })).toEqual({ units: 'metric' });
  const { id } = await client.addMemory('ada', { text: 'Lives in Rome' });
  await client.correctMemory('ada', id, 'Lives in Oslo');
  expect(await listOf(client.memories('ada'))).toMatchObject([{ text: 'Lives in Oslo' }]);
  await client.deleteMemory('ada', id);
  expect(kindOf(await errorOf(client.readMemory('ada', id)))).toBe('not-found');
  await client.run({ prompt: 'My dog is Rex', thread_id: 't', user_id: 'ada' });
  expect((await client.search({ query: 'rex', user_id: 'ada' })).items).toHaveLength(1);
  expect(await client.invoking({ thread_id: 't', user_id: 'ada' })).toMatchObject({
    preferences: { units: 'metric' },
    source: 'redis',
  });
  await client.deleteUser('ada');
  expect(await client.readPreferences('ada')).toEqual({});
});

test.each([
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [413, 'invalid'],
  [422, 'invalid'],
  [500, 'server-error'],
])('status %d is not retried', async (status, kind) => {
  const { fake, client } = setUp();
  fake.failNext(new Response(null, { status }));
  expect(kindOf(await errorOf(client.health()))).toBe(kind);
  expect(fake.requests).toHaveLength(1);
});

test('the number of attempts is limited, and a long Retry-After is not waited for', async () => {
  const { fake, client } = setUp();
  for (let count = 0; count < 4; count++) fake.failNext(unavailable());
  expect(await errorOf(client.health())).toMatchObject({ status: 503, retryAfter: 0 });
  expect(fake.requests).toHaveLength(4);
  fake.failNext(new Response(null, { status: 429, headers: { 'Retry-After': '3600' } }));
  expect(await errorOf(client.health())).toMatchObject({ status: 429, retryAfter: 3600 });
  expect(fake.requests).toHaveLength(5);
});

test('a stop and a timeout end a request', async () => {
  const never = { baseUrl: API, fetch: () => new Promise<Response>(() => undefined) };
  const controller = new AbortController();
  const stopped = errorOf(new MemoryClient(never).health({ signal: controller.signal }));
  controller.abort();
  expect(kindOf(await stopped)).toBe('aborted');
  expect(kindOf(await errorOf(new MemoryClient({ ...never, timeoutMs: 20 }).health()))).toBe('timeout');
});

test('missing messages are an error unless the caller accepts them', async () => {
  const page = { items: [], next_cursor: null, degraded: ['redis', 'postgres'] };
  const client = new MemoryClient({ baseUrl: API, fetch: () => Promise.resolve(Response.json(page)) });
  await expect(listOf(client.messages('t'))).rejects.toMatchObject({ title: 'Memory incomplete' });
  expect(await listOf(client.messages('t', {}, { allowDegraded: true }))).toEqual([]);
});

test('another server and an id that a URL cannot contain are errors', async () => {
  const client = new MemoryClient({ baseUrl: API, fetch: () => Promise.resolve(Response.json({ hello: 1 })) });
  expect(kindOf(await errorOf(client.readThread('t')))).toBe('foreign');
  expect(kindOf(await errorOf(client.readThread('\ud800')))).toBe('invalid');
});

test('headers are asked for each request', async () => {
  let count = 0;
  const received: (string | null)[] = [];
  const client = new MemoryClient({
    baseUrl: API,
    headers: () => Promise.resolve({ Authorization: `Bearer ${String(++count)}` }),
    fetch: (_, init) => {
      received.push(new Headers(init?.headers).get('Authorization'));
      return Promise.resolve(Response.json({ status: 'ok' }));
    },
  });
  await client.health();
  await client.health();
  expect(received).toEqual(['Bearer 1', 'Bearer 2']);
});
