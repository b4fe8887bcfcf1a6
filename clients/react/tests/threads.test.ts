import { act } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { renderChat, refreshChat } from './render-chat.js';
import { answerTo, API, deferred, problem, serve, store, storeExchanges } from './server.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('the hook creates a thread id if the options have none; the id is in the first render and stays', async () => {
  serve();
  const onThreadId = vi.fn();
  const chat = renderChat({ onThreadId });
  await chat.send('Hello');
  const ids = new Set(chat.renders.map(({ threadId }) => threadId));
  expect([...ids]).toEqual([expect.stringMatching(UUID)]);
  expect(onThreadId.mock.calls).toEqual([[chat.current.threadId]]);
});

test('a new thread requests no history, and an unknown thread id gives an empty thread without an error', async () => {
  const memory = serve();
  const created = renderChat();
  await created.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(memory.reads).toHaveLength(0);
  const withThreadId = renderChat({ threadId: 'empty' });
  await withThreadId.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(memory.reads).toHaveLength(1);
  expect(withThreadId.current).toMatchObject({ messages: [], error: undefined, hasMore: false, status: 'ready' });
});

test('a reload of the tab continues the thread and shows its messages', async () => {
  serve();
  const before = renderChat();
  await before.send('Hello');
  before.unmount();
  const after = renderChat();
  expect(after.current.threadId).toBe(before.current.threadId);
  await after.waitUntil(({ messages }) => messages.length === 2);
  expect(after.texts).toEqual(['Hello', 'You said: Hello']);
  expect(localStorage).toHaveLength(0);
});

test('persist: local stores the thread id for the browser, false does not store it', () => {
  serve();
  const local = renderChat({ persist: 'local' });
  expect(sessionStorage).toHaveLength(0);
  expect(renderChat({ persist: 'local' }).current.threadId).toBe(local.current.threadId);
  localStorage.clear();
  const none = renderChat({ persist: false });
  expect(localStorage).toHaveLength(0);
  expect(sessionStorage).toHaveLength(0);
  expect(renderChat({ persist: false }).current.threadId).not.toBe(none.current.threadId);
});

test('a stored thread id belongs to one API and one user', () => {
  serve();
  const ids = [
    renderChat({ userId: 'ada' }),
    renderChat({ userId: 'bob' }),
    renderChat(),
    renderChat({ baseUrl: `${API}/other`, userId: 'ada' }),
  ].map(({ current }) => current.threadId);
  expect(new Set(ids).size).toBe(4);
  expect(renderChat({ userId: 'ada', baseUrl: `${API}/` }).current.threadId).toBe(ids[0]);
});

test.each(['', 'null', '{', '"x"', '{"threadId":7}', '{"threadId":""}', JSON.stringify({ threadId: 'x'.repeat(300) })])(
  'a corrupt entry is ignored: %s',
  (corrupt) => {
    serve();
    const first = renderChat();
    sessionStorage.setItem(sessionStorage.key(0) ?? '', corrupt);
    first.unmount();
    const second = renderChat();
    expect(second.current.threadId).toMatch(UUID);
    expect(second.current.threadId).not.toBe(first.current.threadId);
  },
);

test('storage that throws is ignored', async () => {
  serve();
  const full = (): never => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  vi.spyOn(Storage.prototype, 'getItem').mockImplementation(full);
  vi.spyOn(Storage.prototype, 'setItem').mockImplementation(full);
  const chat = renderChat();
  expect((await chat.send('Hello'))?.content).toBe('You said: Hello');
});

test('storage that the browser denies is ignored', async () => {
  serve();
  vi.spyOn(window, 'sessionStorage', 'get').mockImplementation(() => {
    throw new DOMException('denied', 'SecurityError');
  });
  const chat = renderChat();
  expect((await chat.send('Hello'))?.content).toBe('You said: Hello');
});

test('a thread id from the options is not stored', () => {
  serve();
  renderChat({ threadId: 't' });
  expect(sessionStorage).toHaveLength(0);
});

test('generateId creates thread ids', async () => {
  const memory = serve();
  const chat = renderChat({ generateId: () => 'mine' });
  await chat.send('Hello');
  expect(memory.runs[0]?.body.thread_id).toBe('mine');
  expect(memory.runs[0]?.key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
});

test('no render after a switch shows a message of the previous thread', async () => {
  const memory = serve();
  storeExchanges(memory, 'a', 1);
  storeExchanges(memory, 'b', 2);
  const chat = renderChat({ threadId: 'a' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  const before = chat.renders.length;
  chat.rerender({ threadId: 'b' });
  expect(chat.current).toMatchObject({ threadId: 'b', messages: [], historyStatus: 'loading' });
  await chat.waitUntil(({ messages }) => messages.length === 4);
  for (const { threadId, messages } of chat.renders.slice(before)) {
    expect(threadId).toBe('b');
    expect(messages.every(({ exchangeId }) => exchangeId?.startsWith('b-'))).toBe(true);
  }
});

test('switching in the middle of a turn aborts it and ignores its answer', async () => {
  const { promise, resolve } = deferred<Response>();
  const signals: (AbortSignal | null | undefined)[] = [];
  const fetchWithoutAbort: typeof fetch = async (input, init) => {
    if (init?.method !== 'POST') return fetch(input, init);
    // Ignores its signal.
    signals.push(init.signal);
    return promise;
  };
  serve();
  const onFinish = vi.fn();
  const onError = vi.fn();
  const chat = renderChat({ threadId: 'a', fetch: fetchWithoutAbort, onFinish, onError });
  let answer: unknown = 'none yet';
  chat.act(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await vi.waitFor(() => {
    expect(signals).toHaveLength(1);
  });
  chat.rerender({ threadId: 'b', fetch: fetchWithoutAbort, onFinish, onError });
  expect(signals[0]?.aborted).toBe(true);
  expect(chat.current).toMatchObject({ threadId: 'b', status: 'ready', messages: [], error: undefined });
  await act(async () => {
    resolve(Response.json(answerTo({ prompt: 'Hello' })));
    await promise;
  });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(chat.current).toMatchObject({ threadId: 'b', status: 'ready', messages: [], lastContext: undefined });
  expect(answer).toBeUndefined();
  expect(onFinish).not.toHaveBeenCalled();
  expect(onError).not.toHaveBeenCalled();
});

test('a history of the previous thread that arrives late is ignored', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ read: (count) => (count === 1 ? promise : undefined) });
  storeExchanges(memory, 'a', 3);
  storeExchanges(memory, 'b', 1);
  const chat = renderChat({ threadId: 'a' });
  await vi.waitFor(() => {
    expect(memory.reads).toHaveLength(1);
  });
  chat.rerender({ threadId: 'b' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  resolve(undefined);
  await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
  expect(chat.texts).toEqual(['q0', 'a0']);
});

test('a thread that the user left during a turn still has the message, and its history completes the turn', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: (_, count) => (count === 1 ? promise : undefined) });
  storeExchanges(memory, 'a', 1);
  const chat = renderChat({ threadId: 'a' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await memory.waitForRuns(1);
  chat.rerender({ threadId: 'b' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  chat.rerender({ threadId: 'a' });
  expect(chat.current.messages.at(-1)).toMatchObject({ content: 'Hello', status: 'failed', error: { isAbort: true } });
  resolve(undefined);
  await vi.waitFor(() => {
    expect(memory.threads.get('a')).toHaveLength(4);
  });
  chat.rerender({ threadId: 'b' });
  chat.rerender({ threadId: 'a' });
  await chat.waitUntil(({ messages }) => messages.length === 4);
  expect(chat.current.messages.map(({ status }) => status)).toEqual(['sent', 'sent', 'sent', 'sent']);
  expect(chat.texts.slice(2)).toEqual(['Hello', 'You said: Hello']);
});

test('a failed message is still there after the thread was left and shown again, and can be sent again', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'no') : undefined) });
  const chat = renderChat({ threadId: 'a' });
  await chat.send('Hello');
  chat.rerender({ threadId: 'b' });
  chat.rerender({ threadId: 'a' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  chat.act(({ retry }) => void retry());
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(memory.runs[1]?.body).toEqual(memory.runs[0]?.body);
});

test('a change of the user removes all messages of the previous user', async () => {
  const memory = serve({ run: () => problem(502, 'no') });
  storeExchanges(memory, 'a', 1);
  const chat = renderChat({ threadId: 'a', userId: 'ada' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  await chat.send('Hello');
  memory.threads.clear();
  chat.rerender({ threadId: 'a', userId: 'bob' });
  expect(chat.current).toMatchObject({ userId: 'bob', messages: [] });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  chat.rerender({ threadId: 'a', userId: 'ada' });
  expect(chat.current.messages).toEqual([]);
});

test('newThread starts and stores an empty thread, reports its id, and aborts the running turn', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? deferred().promise : undefined) });
  const onThreadId = vi.fn();
  const chat = renderChat({ onThreadId });
  const first = chat.current.threadId;
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await memory.waitForRuns(1);
  const second = chat.act(({ newThread }) => newThread());
  expect(second).toMatch(UUID);
  expect(chat.current).toMatchObject({ threadId: second, messages: [], status: 'ready', historyStatus: 'ready' });
  await chat.send('Hello again');
  expect(memory.runs.map(({ body }) => body.thread_id)).toEqual([first, second]);
  expect(onThreadId.mock.calls).toEqual([[first], [second]]);
  chat.unmount();
  expect(renderChat().current.threadId).toBe(second);
});

test('newThread twice creates two threads; the second one is shown, and only its id is reported', async () => {
  serve();
  const onThreadId = vi.fn();
  const chat = renderChat({ threadId: 't', onThreadId });
  const [one, two] = chat.act(({ newThread }) => [newThread(), newThread()]);
  expect(one).not.toBe(two);
  expect(chat.current.threadId).toBe(two);
  await chat.send('Hello');
  expect(onThreadId.mock.calls).toEqual([[two]]);
});

test('newThread replaces the thread of the options until the options have another id', async () => {
  const memory = serve();
  storeExchanges(memory, 'a', 1);
  const chat = renderChat({ threadId: 'a' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  const created = chat.act(({ newThread }) => newThread());
  chat.rerender({ threadId: 'a' });
  expect(chat.current.threadId).toBe(created);
  await chat.send('Hello');
  // A parent that stores the id in its own state does this.
  chat.rerender({ threadId: created });
  expect(chat.texts).toEqual(['Hello', 'You said: Hello']);
  chat.rerender({ threadId: 'a' });
  expect(chat.current.threadId).toBe('a');
  await chat.waitUntil(({ messages }) => messages.length === 2);
});

test('two hooks on one page use the same thread and share their turns', async () => {
  const memory = serve();
  const first = renderChat();
  const second = renderChat();
  expect(second.current.threadId).toBe(first.current.threadId);
  await first.send('one');
  await second.send('two');
  const both = ['one', 'You said: one', 'two', 'You said: two'];
  expect(first.texts).toEqual(both);
  await second.waitUntil(({ messages }) => messages.length === 4);
  expect(second.texts).toEqual(both);
  expect(memory.runs).toHaveLength(2);
});

test('a turn that the other hook has already loaded is shown once', async () => {
  const memory = serve({
    run: async ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, `You said: ${body.prompt}`);
      await refreshChat(second);
      return Response.json(answerTo(body));
    },
  });
  const first = renderChat({ threadId: 't' });
  const second = renderChat({ threadId: 't' });
  await first.send('Hello');
  expect(first.texts).toEqual(['Hello', 'You said: Hello']);
  expect(second.texts).toEqual(['Hello', 'You said: Hello']);
});

test('unmounting aborts all requests and calls no callback', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise, read: () => promise });
  const signals: (AbortSignal | null | undefined)[] = [];
  const onFinish = vi.fn();
  const onError = vi.fn();
  const chat = renderChat({
    threadId: 't',
    onFinish,
    onError,
    fetch: (input, init) => {
      signals.push(init?.signal);
      return fetch(input, init);
    },
  });
  let isSettled = false;
  chat.act(({ sendMessage }) => void sendMessage('Hello').then(() => (isSettled = true)));
  await memory.waitForRuns(1);
  const renders = chat.renders.length;
  chat.unmount();
  await vi.waitFor(() => {
    expect(isSettled).toBe(true);
  });
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
  resolve(undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(chat.renders).toHaveLength(renders);
  expect(onFinish).not.toHaveBeenCalled();
  expect(onError).not.toHaveBeenCalled();
});

test('the functions stay the same for the life of the component', async () => {
  serve();
  const chat = renderChat();
  const first = chat.current;
  await chat.send('Hello');
  for (const name of [
    'sendMessage',
    'stop',
    'retry',
    'newThread',
    'forgetThread',
    'loadMore',
    'refresh',
    'clearError',
  ] as const) {
    expect(chat.current[name]).toBe(first[name]);
  }
});

test('a message sent right after newThread belongs to the new thread', async () => {
  const memory = serve();
  const chat = renderChat();
  let id = '';
  chat.act(({ newThread, sendMessage }) => {
    id = newThread();
    void sendMessage('Hello');
  });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(memory.runs.map(({ body }) => body.thread_id)).toEqual([id]);
});

test('a thread that was deleted while it was not shown is empty when it is shown again', async () => {
  const memory = serve();
  storeExchanges(memory, 'a', 1);
  const chat = renderChat({ threadId: 'a' });
  await chat.waitUntil(({ messages }) => messages.length === 2);
  await chat.send('Hello');
  chat.rerender({ threadId: 'b' });
  memory.threads.delete('a');
  chat.rerender({ threadId: 'a' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(chat.texts).toEqual([]);
});

test('returning to a thread that was created here shows its history and reports its id again', async () => {
  serve();
  const onThreadId = vi.fn();
  const chat = renderChat({ onThreadId });
  await chat.send('Hello');
  const created = chat.current.threadId;
  chat.rerender({ threadId: 'b', onThreadId });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  chat.rerender({ onThreadId });
  expect(chat.current.threadId).toBe(created);
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(onThreadId.mock.calls).toEqual([[created], [created]]);
});

test('failed messages of the last twenty threads stay in memory', async () => {
  const memory = serve({ run: () => problem(502, 'no') });
  const chat = renderChat({ threadId: '0', loadHistory: false });
  for (let n = 0; n < 25; n++) {
    chat.rerender({ threadId: String(n), loadHistory: false });
    await chat.send('Hello');
  }
  chat.rerender({ threadId: '6', loadHistory: false });
  expect(chat.texts).toEqual(['Hello']);
  chat.rerender({ threadId: '3', loadHistory: false });
  expect(chat.texts).toEqual([]);
  expect(memory.runs).toHaveLength(25);
});

test.each(['session', 'local'] as const)(
  'forgetThread removes a thread from memory and from the cache (%s)',
  async (persist) => {
    serve();
    const chat = renderChat({ userId: 'ada', persist });
    await chat.send('A secret');
    const other = renderChat({ userId: 'ada', persist });
    await other.waitUntil(({ messages }) => messages.length === 2);
    const deleted = chat.current.threadId ?? '';
    const answered = chat.act(({ sendMessage }) => sendMessage('Another secret'));
    chat.act(({ forgetThread }) => {
      forgetThread(deleted);
    });
    await answered;
    expect(chat.current.threadId).not.toBe(deleted);
    expect([chat.texts, other.texts]).toEqual([[], []]);
    chat.unmount();
    other.unmount();
    await new Promise((resolve) => setTimeout(resolve));
    expect(JSON.stringify([sessionStorage, localStorage].map((storage) => Object.entries(storage)))).not.toContain(
      'secret',
    );
  },
);

test('forgetThread removes a thread while another one is shown', async () => {
  serve();
  const chat = renderChat({ threadId: 'one' });
  await chat.send('A secret');
  chat.rerender({ threadId: 'two' });
  await chat.send('Hello');
  chat.act(({ forgetThread }) => {
    forgetThread('one');
  });
  expect(chat.current.threadId).toBe('two');
  expect(JSON.stringify(Object.entries(sessionStorage))).not.toContain('secret');
  expect(JSON.stringify(Object.entries(sessionStorage))).toContain('Hello');
});
