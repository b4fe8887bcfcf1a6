import { act } from '@testing-library/react';
import { delay, HttpResponse } from 'msw';
import { expect, test } from 'vitest';
import { renderChat } from './render-chat.js';
import { serve } from './server.js';

const HTML = '<html><body><h1>502 Bad Gateway</h1></body></html>';

async function sendWithResponse(response: () => Response): Promise<ReturnType<typeof renderChat>> {
  serve({ run: response });
  const chat = renderChat();
  await chat.send('Hello');
  return chat;
}

test.each([
  ['a proxy’s page', () => new HttpResponse(HTML, { status: 502, headers: { 'Content-Type': 'text/html' } })],
  ["API Gateway's own JSON", () => HttpResponse.json({ message: 'Internal server error' }, { status: 502 })],
  ["another server's JSON", () => HttpResponse.json({ title: 'Oops', detail: 'Traceback …' }, { status: 502 })],
  [
    'a page with the content type of a problem',
    () => new HttpResponse(HTML, { status: 502, headers: { 'Content-Type': 'application/problem+json' } }),
  ],
  [
    'a problem without title and detail',
    () => new HttpResponse('[1]', { status: 502, headers: { 'Content-Type': 'application/problem+json' } }),
  ],
  ['an empty body', () => new HttpResponse(null, { status: 502 })],
])('the body is not shown for %s', async (_, response) => {
  const { current } = await sendWithResponse(response);
  expect(current.error).toMatchObject({ status: 502, title: 'The server failed' });
  expect(current.error?.detail).toBe('The server failed. The server gave no details.');
});

test.each([
  ['a page', () => new HttpResponse(HTML, { headers: { 'Content-Type': 'text/html' } })],
  ['other JSON', () => HttpResponse.json({ message: 'Hello' })],
  ['null', () => HttpResponse.json(null)],
])('a response with status 200 and %s is an error', async (_, response) => {
  const { current } = await sendWithResponse(response);
  expect(current.error).toMatchObject({ status: 200, title: 'Unreadable response' });
  expect(current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
});

test('the error has the invalid fields', async () => {
  const errors = [{ field: 'prompt', in: 'body', detail: 'must have at most 200000 characters' }];
  const problem = { type: 'about:blank', title: 'Content Too Large', status: 413, detail: 'prompt: …', errors };
  const { current } = await sendWithResponse(() =>
    HttpResponse.json(problem, { status: 413, headers: { 'Content-Type': 'application/problem+json' } }),
  );
  expect(current.error?.errors).toEqual(errors);
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
])('the error has the value of the header: %s', async (_, name, value, expected) => {
  const { current } = await sendWithResponse(() => new HttpResponse(null, { status: 429, headers: { [name]: value } }));
  expect(current.error).toMatchObject({ title: 'Too many requests', ...expected });
});

test('a failing headers function fails the send', async () => {
  const memory = serve();
  const chat = renderChat({ headers: () => Promise.reject(new Error('no token')) });
  expect(await chat.send('Hello')).toBeUndefined();
  expect(chat.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  expect(chat.current.error?.cause).toMatchObject({ message: 'no token' });
  expect(memory.runs).toEqual([]);
});

test('a callback that throws does not stop the hook', async () => {
  serve();
  const thrown: unknown[] = [];
  const listener = (error: unknown): void => void thrown.push(error);
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', listener);
  try {
    const chat = renderChat({
      onFinish: () => {
        throw new Error('theirs');
      },
    });
    await chat.send('one');
    await chat.send('two');
    expect(chat.texts).toHaveLength(4);
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
])('a missing route of %s is an error, not an empty thread', async (_, response) => {
  serve({ run: response, read: response });
  const chat = renderChat({ threadId: 't' });
  await chat.waitUntil(({ historyStatus }) => historyStatus !== 'loading');
  expect(chat.current.historyStatus).toBe('error');
  expect(chat.current.error).toMatchObject({ title: 'Unreadable response', isForeign: true });
  await chat.send('Hello');
  expect(chat.current.error).toMatchObject({ title: 'Unreadable response', isForeign: true });
});

test('a value that JSON does not have is an error of the message, not of the network', async () => {
  const memory = serve();
  const chat = renderChat({ retries: 3 });
  for (const metadata of [{ count: 1n }, circularObject()]) {
    await act(() => chat.current.sendMessage({ text: 'Hello', metadata }));
    expect(chat.current.error).toMatchObject({ status: 400, title: 'Not sent', isForeign: false });
  }
  expect(memory.runs).toEqual([]);
  await chat.send('Hello again');
  expect(chat.texts.at(-1)).toBe('You said: Hello again');
});

test('a thread id that a URL cannot contain is an error of the message', async () => {
  serve();
  const chat = renderChat({ threadId: 'lone \ud800' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'error');
  expect(chat.current.error).toMatchObject({ status: 400, title: 'Not sent' });
});

test.each([Infinity, 2 ** 31, 2 ** 40])('a timeout of %d is limited to the longest timer', async (timeoutMs) => {
  serve({ run: async () => (await delay(20), undefined) });
  const chat = renderChat({ timeoutMs });
  expect((await chat.send('Hello'))?.content).toBe('You said: Hello');
});

function circularObject(): Record<string, unknown> {
  const circular: Record<string, unknown> = {};
  circular['circular'] = circular;
  return circular;
}
