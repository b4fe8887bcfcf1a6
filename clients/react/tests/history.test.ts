import { act } from '@testing-library/react';
import { HttpResponse } from 'msw';
import { expect, test, vi } from 'vitest';
import type { ChatMessage } from '../src/index.js';
import { renderChat, refreshChat } from './render-chat.js';
import { deferred, problem, serve, store, storeExchanges } from './server.js';

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, n) => [`q${String(from + n)}`, `a${String(from + n)}`]).flat();
}

test('the history is the newest page, oldest first, and loadMore adds older pages before it', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 6);
  const chat = renderChat({ threadId: 't', pageSize: 5 });
  expect(chat.current.historyStatus).toBe('loading');
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(chat.texts).toEqual(numbered(0, 6).slice(-5));
  expect(chat.current.hasMore).toBe(true);
  expect(Object.fromEntries(memory.reads[0] ?? [])).toEqual({ order: 'desc', limit: '5' });
  await act(() => chat.current.loadMore());
  expect(chat.texts).toEqual(numbered(0, 6).slice(-10));
  await act(() => chat.current.loadMore());
  expect(chat.texts).toEqual(numbered(0, 6));
  expect(chat.current.hasMore).toBe(false);
  await act(() => chat.current.loadMore());
  expect(memory.reads).toHaveLength(3);
  await refreshChat(chat);
  expect(chat.current.hasMore).toBe(false);
});

test('two concurrent calls of loadMore send one request', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 6);
  const chat = renderChat({ threadId: 't', pageSize: 4 });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  await act(() => Promise.all([chat.current.loadMore(), chat.current.loadMore()]));
  expect(memory.reads).toHaveLength(2);
  expect(chat.texts).toEqual(numbered(2, 6));
});

test('a message that is sent while the history loads is shown after it, even if the history already contains the message', async () => {
  const { promise, resolve } = deferred();
  const answered = deferred();
  const memory = serve({
    read: () => promise,
    run: async ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, 'You said: Hello');
      await answered.promise;
      return HttpResponse.json({
        response: 'You said: Hello',
        thread_id: 't',
        exchange_id: body.exchange_id,
        memory: { source: 'redis', degraded: [], durability: 'queue', cached: true },
      });
    },
  });
  storeExchanges(memory, 't', 2);
  const chat = renderChat({ threadId: 't' });
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await memory.waitForRuns(1);
  resolve(undefined);
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  // The server has stored the exchange, but the response to the request has not arrived.
  expect(chat.texts).toEqual([...numbered(0, 2), 'Hello', 'You said: Hello']);
  expect(chat.current.status).toBe('submitted');
  answered.resolve(undefined);
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.texts).toEqual([...numbered(0, 2), 'Hello', 'You said: Hello']);
  expect(chat.current.messages.at(-1)?.context?.source).toBe('redis');
});

test('a turn that the history contains has the status sent, even if its own response is lost', async () => {
  const lost = deferred();
  const memory = serve({
    run: async ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, 'You said: Hello');
      await lost.promise;
      return problem(504, 'No answer in time.');
    },
  });
  const onError = vi.fn();
  const chat = renderChat({ threadId: 't', onError });
  let answer: ChatMessage | undefined;
  chat.act(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await memory.waitForRuns(1);
  await refreshChat(chat);
  lost.resolve(undefined);
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.current.messages).toMatchObject([
    { content: 'Hello', status: 'sent' },
    { content: 'You said: Hello', status: 'sent' },
  ]);
  expect(chat.current.error).toBeUndefined();
  expect(onError).not.toHaveBeenCalled();
  expect(answer).toBe(chat.current.messages[1]);
});

test('a thread that is shown again reads one page of its history', async () => {
  const memory = serve();
  storeExchanges(memory, 'a', 4);
  const chat = renderChat({ threadId: 'a', pageSize: 4 });
  await chat.waitUntil(({ messages }) => messages.length === 4);
  chat.rerender({ threadId: 'b', pageSize: 4 });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  memory.threads.clear();
  storeExchanges(memory, 'a', 12);
  chat.rerender({ threadId: 'a', pageSize: 4 });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(chat.texts).toEqual(numbered(10, 12));
  expect(memory.reads).toHaveLength(3);
});

test('leaving a thread while it loads causes no error', async () => {
  const memory = serve({
    run: () => problem(502, 'no'),
    read: (count) => (count === 2 ? deferred().promise : undefined),
  });
  const chat = renderChat({ threadId: 'a' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  await chat.send('Hello');
  chat.act(({ refresh }) => void refresh());
  await vi.waitFor(() => {
    expect(memory.reads).toHaveLength(2);
  });
  chat.rerender({ threadId: 'b' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  chat.rerender({ threadId: 'a' });
  expect(chat.texts).toEqual(['Hello']);
  expect(chat.current).toMatchObject({ error: undefined, historyStatus: 'loading' });
});

test('loadMore does not change a running turn', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise });
  storeExchanges(memory, 't', 3);
  const chat = renderChat({ threadId: 't', pageSize: 4 });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await act(() => chat.current.loadMore());
  expect(chat.texts).toEqual([...numbered(0, 3), 'Hello']);
  resolve(undefined);
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.texts).toEqual([...numbered(0, 3), 'Hello', 'You said: Hello']);
});

test('refresh adds turns of other browser tabs, and failed messages stay', async () => {
  const memory = serve({ run: () => problem(502, 'no') });
  storeExchanges(memory, 't', 2);
  const chat = renderChat({ threadId: 't' });
  await chat.waitUntil(({ messages }) => messages.length === 4);
  await chat.send('mine');
  store(memory, 't', 'elsewhere', 'theirs', 'answered');
  await refreshChat(chat);
  expect(chat.texts).toEqual([...numbered(0, 2), 'theirs', 'answered', 'mine']);
  expect(chat.current.messages.at(-1)).toMatchObject({ status: 'failed' });
  expect(chat.current.error?.detail).toBe('no');
});

test('after a refresh no message is missing in between, and hasMore is unchanged', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 4);
  const chat = renderChat({ threadId: 't', pageSize: 4 });
  await chat.waitUntil(({ messages }) => messages.length === 4);
  memory.threads.clear();
  storeExchanges(memory, 't', 12);
  await refreshChat(chat);
  expect(chat.texts).toEqual(numbered(2, 12));
  expect(chat.current.hasMore).toBe(true);
  await act(() => chat.current.loadMore());
  expect(chat.texts).toEqual(numbered(0, 12));
});

test('refresh of a thread that was created here adds all turns of other browser tabs', async () => {
  const memory = serve();
  const chat = renderChat({ pageSize: 4 });
  const id = chat.current.threadId ?? '';
  storeExchanges(memory, id, 4);
  await chat.send('mine');
  for (const n of ['1', '2', '3']) store(memory, id, n, `theirs ${n}`, `answer ${n}`);
  await refreshChat(chat);
  const later = ['1', '2', '3'].flatMap((n) => [`theirs ${n}`, `answer ${n}`]);
  expect(chat.texts).toEqual([...numbered(0, 4), 'mine', 'You said: mine', ...later]);
  expect(chat.current.hasMore).toBe(false);
});

test('several calls of refresh during a refresh send one more request', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ read: (count) => (count === 1 ? promise : undefined) });
  storeExchanges(memory, 't', 1);
  const chat = renderChat({ threadId: 't' });
  let done: Promise<unknown> = Promise.resolve();
  chat.act(({ refresh }) => {
    done = Promise.all([refresh(), refresh()]);
  });
  resolve(undefined);
  await act(async () => {
    await done;
  });
  expect(memory.reads).toHaveLength(2);
});

test('an unchanged message is the same object after a refresh', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 2);
  const chat = renderChat({ threadId: 't' });
  await chat.waitUntil(({ messages }) => messages.length === 4);
  const before = chat.current.messages;
  await refreshChat(chat);
  expect(chat.current.messages.every((message, index) => message === before[index])).toBe(true);
});

test('if the history fails to load, the hook has an error, and refresh loads the history', async () => {
  const memory = serve({ read: (count) => (count === 1 ? problem(503, 'postgres did not answer.') : undefined) });
  storeExchanges(memory, 't', 1);
  const onError = vi.fn();
  const chat = renderChat({ threadId: 't', onError });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'error');
  expect(chat.current).toMatchObject({ status: 'ready', error: { status: 503, detail: 'postgres did not answer.' } });
  expect(onError.mock.calls).toEqual([[chat.current.error]]);
  await refreshChat(chat);
  expect(chat.current).toMatchObject({ historyStatus: 'ready', error: undefined });
  expect(chat.texts).toEqual(['q0', 'a0']);
});

test('an older page that failed to load can be requested again', async () => {
  const memory = serve({ read: (count) => (count === 2 ? problem(503, 'postgres did not answer.') : undefined) });
  storeExchanges(memory, 't', 4);
  const chat = renderChat({ threadId: 't', pageSize: 4 });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  await act(() => chat.current.loadMore());
  expect(chat.current).toMatchObject({ historyStatus: 'error', hasMore: true });
  await act(() => chat.current.loadMore());
  expect(chat.texts).toEqual(numbered(0, 4));
  expect(chat.current).toMatchObject({ historyStatus: 'ready', error: undefined });
});

test('historyDegraded lists the layers that did not respond', async () => {
  serve({ read: () => HttpResponse.json({ items: [], next_cursor: null, degraded: ['redis'] }) });
  const chat = renderChat({ threadId: 't' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(chat.current.historyDegraded).toEqual(['redis']);
});

test('loadHistory: false sends no request until refresh', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const chat = renderChat({ threadId: 't', loadHistory: false });
  expect(chat.current.historyStatus).toBe('idle');
  expect(memory.reads).toHaveLength(0);
  await refreshChat(chat);
  expect(chat.texts).toEqual(['q0', 'a0']);
});

test('initial messages are shown immediately and merged with the history', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 3);
  const initialMessages: ChatMessage[] = [
    { id: 'x', exchangeId: 't-1', role: 'user', content: 'q1', createdAt: '2026-01-01T00:00:02Z', status: 'sent' },
  ];
  const chat = renderChat({ threadId: 't', initialMessages });
  expect(chat.texts).toEqual(['q1']);
  await chat.waitUntil(({ messages }) => messages.length === 6);
  expect(chat.texts).toEqual(numbered(0, 3));
  expect(chat.current.messages[2]?.id).toBe('x');
  chat.rerender({ threadId: 'other', initialMessages });
  expect(chat.texts).toEqual([]);
});

test('a thread id may contain slashes and other special characters', async () => {
  const memory = serve();
  storeExchanges(memory, 'a/b?c#d %', 1);
  const chat = renderChat({ threadId: 'a/b?c#d %' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
});

test.each(Array.from({ length: 16 }, (_, n) => n))(
  'a response that arrives during a switch of the thread is ignored: %i',
  async (later) => {
    const memory = serve({ run: () => problem(503, 'Not now.') });
    storeExchanges(memory, 't', 2);
    let isFirst = true;
    const chat = renderChat({ threadId: 't' });
    await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
    // The hook keeps a thread with an unsent message when the user leaves it.
    await chat.send('Unsent');
    chat.rerender({ threadId: 'u' });
    await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
    const slow: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!isFirst) return response;
      isFirst = false;
      const text = await response.text();
      const leaveLater = (rest: number): void => {
        queueMicrotask(() => {
          if (rest > 0) leaveLater(rest - 1);
          else chat.current.newThread();
        });
      };
      response.text = () => {
        leaveLater(later);
        return Promise.resolve(text);
      };
      return response;
    };
    await act(async () => {
      chat.rerender({ threadId: 't', fetch: slow });
      await vi.waitFor(() => {
        expect(chat.current.threadId).not.toBe('t');
      });
    });
    expect(chat.texts).toEqual([]);
    store(memory, 't', 't-2', 'q2', 'a2');
    chat.rerender({ threadId: 'u' });
    chat.rerender({ threadId: 't' });
    await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
    expect(chat.texts).toEqual([...numbered(0, 3), 'Unsent']);
    expect(memory.reads).toHaveLength(5);
  },
);
