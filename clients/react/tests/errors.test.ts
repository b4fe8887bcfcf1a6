import { act } from '@testing-library/react';
import { delay, HttpResponse } from 'msw';
import { expect, test } from 'vitest';
import { chat } from './chat.js';
import { serve } from './server.js';

const HTML = '<html><body><h1>502 Bad Gateway</h1></body></html>';

async function failedWith(response: () => Response): Promise<ReturnType<typeof chat>> {
  serve({ run: response });
  const shown = chat();
  await shown.say('Hello');
  return shown;
}

test.each([
  ['a page of a proxy', () => new HttpResponse(HTML, { status: 502, headers: { 'Content-Type': 'text/html' } })],
  ["API Gateway's own JSON", () => HttpResponse.json({ message: 'Internal server error' }, { status: 502 })],
  ["another server's JSON", () => HttpResponse.json({ title: 'Oops', detail: 'Traceback …' }, { status: 502 })],
  [
    'a page that says it is a problem',
    () => new HttpResponse(HTML, { status: 502, headers: { 'Content-Type': 'application/problem+json' } }),
  ],
  [
    'a problem without words',
    () => new HttpResponse('[1]', { status: 502, headers: { 'Content-Type': 'application/problem+json' } }),
  ],
  ['nothing', () => new HttpResponse(null, { status: 502 })],
])('%s is not shown', async (_, response) => {
  const { now } = await failedWith(response);
  expect(now.error).toMatchObject({ status: 502, title: 'The server failed' });
  expect(now.error?.detail).toBe('The server failed. The server gave no details.');
});

test.each([
  ['a page', () => new HttpResponse(HTML, { headers: { 'Content-Type': 'text/html' } })],
  ['other JSON', () => HttpResponse.json({ message: 'Hello' })],
  ['null', () => HttpResponse.json(null)],
])('%s with status 200 is an error, not a message', async (_, response) => {
  const { now } = await failedWith(response);
  expect(now.error).toMatchObject({ status: 200, title: 'Unreadable response' });
  expect(now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
});

test('faulty fields are named', async () => {
  const errors = [{ field: 'prompt', in: 'body', detail: 'must have at most 200000 characters' }];
  const problem = { type: 'about:blank', title: 'Content Too Large', status: 413, detail: 'prompt: …', errors };
  const { now } = await failedWith(() =>
    HttpResponse.json(problem, { status: 413, headers: { 'Content-Type': 'application/problem+json' } }),
  );
  expect(now.error?.errors).toEqual(errors);
});

test.each([
  ['API Gateway', 'x-amzn-requestid', 'g-1', { requestId: 'g-1' }],
  ['the function', 'x-request-id', 'f-1', { requestId: 'f-1' }],
  [
    'a date',
    'Retry-After',
    new Date(Date.now() + 3_600_000).toUTCString(),
    { retryAfter: expect.closeTo(3600, -2) as unknown },
  ],
  ['a past date', 'Retry-After', 'Wed, 21 Oct 2015 07:28:00 GMT', { retryAfter: 0 }],
  ['nonsense', 'Retry-After', 'soon', { retryAfter: undefined }],
])('headers are read: %s', async (_, name, value, told) => {
  const { now } = await failedWith(() => new HttpResponse(null, { status: 429, headers: { [name]: value } }));
  expect(now.error).toMatchObject({ title: 'Too many requests', ...told });
});

test('headers that cannot be had fail the send, not the page', async () => {
  const memory = serve();
  const shown = chat({ headers: () => Promise.reject(new Error('no token')) });
  expect(await shown.say('Hello')).toBeUndefined();
  expect(shown.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  expect(shown.now.error?.cause).toMatchObject({ message: 'no token' });
  expect(memory.runs).toEqual([]);
});

test('a callback that throws stops nothing', async () => {
  serve();
  const thrown: unknown[] = [];
  const listener = (error: unknown): void => void thrown.push(error);
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', listener);
  try {
    const shown = chat({
      onFinish: () => {
        throw new Error('theirs');
      },
    });
    await shown.say('one');
    await shown.say('two');
    expect(shown.texts).toHaveLength(4);
    expect(thrown).toEqual([new Error('theirs'), new Error('theirs')]);
  } finally {
    process.off('uncaughtException', listener);
    for (const each of listeners) process.on('uncaughtException', each);
  }
});

test.each([
  ['an HTTP API', () => HttpResponse.json({ message: 'Not Found' }, { status: 404 })],
  ['another framework', () => HttpResponse.json({ detail: 'Not Found' }, { status: 404 })],
  ['a file server', () => new HttpResponse(HTML, { status: 404, headers: { 'Content-Type': 'text/html' } })],
  ['a static site', () => new HttpResponse(null, { status: 405 })],
])('%s that has no such route is another address, not an empty thread', async (_, response) => {
  serve({ run: response, read: response });
  const shown = chat({ threadId: 't' });
  await shown.until(({ historyStatus }) => historyStatus !== 'loading');
  expect(shown.now.historyStatus).toBe('error');
  expect(shown.now.error).toMatchObject({ title: 'Unreadable response', isForeign: true });
  await shown.say('Hello');
  expect(shown.now.error).toMatchObject({ title: 'Unreadable response', isForeign: true });
});

test('what JSON has not is an error of the message, not of the network', async () => {
  const memory = serve();
  const shown = chat({ retries: 3 });
  for (const metadata of [{ count: 1n }, circle()]) {
    await act(() => shown.now.sendMessage({ text: 'Hello', metadata }));
    expect(shown.now.error).toMatchObject({ status: 400, title: 'Not sent', isForeign: false });
  }
  expect(memory.runs).toEqual([]);
  await shown.say('Hello again');
  expect(shown.texts.at(-1)).toBe('You said: Hello again');
});

test('an id that no address can hold is one, too', async () => {
  serve();
  const shown = chat({ threadId: 'lone \ud800' });
  await shown.until(({ historyStatus }) => historyStatus === 'error');
  expect(shown.now.error).toMatchObject({ status: 400, title: 'Not sent' });
});

test.each([Infinity, 2 ** 31, 2 ** 40])('a time limit of %d is as long as a timer can be', async (timeoutMs) => {
  serve({ run: async () => (await delay(20), undefined) });
  const shown = chat({ timeoutMs });
  expect((await shown.say('Hello'))?.content).toBe('You said: Hello');
});

function circle(): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  made['made'] = made;
  return made;
}
