import { act } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import type { UseAgentChatOptions } from '../src/index.js';
import { renderChat, type RenderedChat } from './render-chat.js';
import { API, deferred, problem, serve, store, storeExchanges } from './server.js';

/** The network between the page and the server. */
class Network {
  isDown = false;
  readonly fetch: typeof fetch = async (input, init) => {
    this.#throwIfDown();
    const response = await fetch(input, init);
    // The server has handled the request.
    this.#throwIfDown();
    return response;
  };

  #throwIfDown(): void {
    if (this.isDown) throw new TypeError('Failed to fetch');
  }

  restore(): Promise<void> {
    this.isDown = false;
    return dispatch(window, 'online');
  }
}

async function dispatch(target: EventTarget, event: string): Promise<void> {
  await act(async () => {
    target.dispatchEvent(new Event(event));
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
}

function setVisibility(state: DocumentVisibilityState): Promise<void> {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
  return dispatch(document, 'visibilitychange');
}

async function renderLoaded(options: UseAgentChatOptions): Promise<RenderedChat> {
  const chat = renderChat(options);
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  return chat;
}

/** Unmounts the component, and waits for the cleanup. */
async function unmount(chat: RenderedChat): Promise<void> {
  chat.unmount();
  await new Promise((resolve) => setTimeout(resolve, 10));
}

function cachedKeys(storage: Storage = sessionStorage): string[] {
  return Object.keys(storage).filter((key) => key.startsWith('hybrid-memory:messages:'));
}

afterEach(() => {
  vi.useRealTimers();
});

test('a previously shown thread is shown immediately, and a failed load of its history is reported', async () => {
  const memory = serve();
  storeExchanges(memory, 'a', 2);
  const network = new Network();
  const chat = await renderLoaded({ threadId: 'a', fetch: network.fetch });
  const before = chat.current.messages;
  chat.rerender({ threadId: 'b', fetch: network.fetch });
  network.isDown = true;
  chat.rerender({ threadId: 'a', fetch: network.fetch });
  expect(chat.current.messages).toEqual(before);
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'error');
  expect(chat.current.messages).toEqual(before);
  store(memory, 'a', 'a-2', 'q2', 'a2');
  await network.restore();
  await chat.waitUntil(({ messages }) => messages.length === 6);
  expect(chat.current).toMatchObject({ historyStatus: 'ready', error: undefined });
});

test('a reload shows the cached messages before the server responds', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ read: (count) => (count === 2 ? promise : undefined) });
  storeExchanges(memory, 't', 2);
  await unmount(await renderLoaded({ threadId: 't' }));
  store(memory, 't', 't-2', 'q2', 'a2');
  const again = renderChat({ threadId: 't' });
  expect(again.texts).toEqual(['q0', 'a0', 'q1', 'a1']);
  expect(again.current.historyStatus).toBe('loading');
  resolve(undefined);
  await again.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(again.texts).toEqual(['q0', 'a0', 'q1', 'a1', 'q2', 'a2']);
});

test('older pages that were loaded stay after a reload, and loadMore loads the next ones', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 10);
  const chat = await renderLoaded({ threadId: 't', pageSize: 6 });
  await act(() => chat.current.loadMore());
  expect(chat.current.messages).toHaveLength(12);
  await unmount(chat);
  store(memory, 't', 't-10', 'q10', 'a10');
  const again = await renderLoaded({ threadId: 't', pageSize: 6 });
  expect(again.texts.at(0)).toBe('q4');
  expect(again.texts).toHaveLength(14);
  expect(again.current.hasMore).toBe(true);
  await act(() => again.current.loadMore());
  await act(() => again.current.loadMore());
  expect(again.texts).toHaveLength(22);
  expect(again.current.hasMore).toBe(false);
});

test('only the newest page is shown if messages between it and the cached ones are missing', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 3);
  await unmount(await renderLoaded({ threadId: 't', pageSize: 4 }));
  memory.threads.clear();
  storeExchanges(memory, 't', 20);
  const again = await renderLoaded({ threadId: 't', pageSize: 4 });
  expect(again.texts).toEqual(['q18', 'a18', 'q19', 'a19']);
  expect(again.current.hasMore).toBe(true);
});

test('cached messages that another client deleted or replaced disappear after the history has loaded', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 3);
  await unmount(await renderLoaded({ threadId: 't' }));
  const [q0, a0, , , q2, a2] = memory.threads.get('t') ?? [];
  if (q0 && a0 && q2 && a2) memory.threads.set('t', [q0, { ...a0, content: 'another' }, q2, a2]);
  const again = await renderLoaded({ threadId: 't' });
  expect(again.texts).toEqual(['q0', 'another', 'q2', 'a2']);
  await unmount(again);
  memory.threads.clear();
  const afterDeletion = await renderLoaded({ threadId: 't' });
  expect(afterDeletion.texts).toEqual([]);
  expect(cachedKeys()).toEqual([]);
});

test('cached messages stay if the server returns a degraded page without them', async () => {
  const memory = serve({
    read: (count) => (count === 2 ? Response.json({ items: [], next_cursor: null, degraded: ['redis'] }) : undefined),
  });
  storeExchanges(memory, 't', 1);
  await unmount(await renderLoaded({ threadId: 't' }));
  const again = await renderLoaded({ threadId: 't' });
  expect(again.texts).toEqual(['q0', 'a0']);
  expect(again.current.historyDegraded).toEqual(['redis']);
});

test.each(['online', 'focus'])('the event %s loads the turns of other browser tabs', async (event) => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const chat = await renderLoaded({ threadId: 't' });
  store(memory, 't', 't-1', 'q1', 'a1');
  await dispatch(window, event);
  await chat.waitUntil(({ messages }) => messages.length === 4);
});

test('a browser tab loads the history when it becomes visible, and not while it is hidden', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  await renderLoaded({ threadId: 't' });
  await setVisibility('hidden');
  await dispatch(window, 'online');
  expect(memory.reads).toHaveLength(1);
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('visible');
  await act(async () => {
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event('focus'));
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
  expect(memory.reads).toHaveLength(2);
});

test('the event focus loads no history for a new thread, with loadHistory: false, or after unmounting', async () => {
  const memory = serve();
  const created = renderChat();
  const other = renderChat({ threadId: 't', loadHistory: false });
  await dispatch(window, 'focus');
  created.unmount();
  other.unmount();
  await dispatch(window, 'focus');
  expect(memory.reads).toEqual([]);
});

test('a message that failed offline is sent once when the network returns', async () => {
  const memory = serve();
  const network = new Network();
  network.isDown = true;
  const chat = renderChat({ threadId: 't', fetch: network.fetch });
  await chat.send('Hello');
  expect(chat.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  await dispatch(window, 'focus');
  expect(chat.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  await network.restore();
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(chat.current).toMatchObject({ status: 'ready', error: undefined });
  expect(memory.runs).toHaveLength(1);
});

test('a turn that finished while the browser tab was hidden is shown and not sent again', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise });
  const network = new Network();
  const chat = await renderLoaded({ threadId: 't', fetch: network.fetch });
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await memory.waitForRuns(1);
  network.isDown = true;
  resolve(undefined);
  await chat.waitUntil(({ status }) => status === 'error');
  await network.restore();
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.current.messages).toMatchObject([
    { content: 'Hello', status: 'sent' },
    { content: 'You said: Hello', status: 'sent' },
  ]);
  expect(memory.runs).toHaveLength(1);
});

test('a turn ends when the loaded history contains its answer', async () => {
  const memory = serve({
    run: ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, 'You said: Hello');
      return deferred<Response>().promise;
    },
  });
  const onFinish = vi.fn();
  const chat = await renderLoaded({ threadId: 't', onFinish });
  let answer: unknown;
  chat.act(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await memory.waitForRuns(1);
  await dispatch(window, 'focus');
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(answer).toBe(chat.current.messages[1]);
  expect(chat.current.error).toBeUndefined();
  expect(onFinish.mock.calls).toEqual([[{ message: answer, aborted: false }]]);
});

test('stopped and rejected turns are resent only by retry', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? deferred<Response>().promise : problem(422, 'No.')) });
  const chat = await renderLoaded({ threadId: 't' });
  chat.act(({ sendMessage }) => void sendMessage('one'));
  await memory.waitForRuns(1);
  chat.act(({ stop }) => {
    stop();
  });
  await chat.send('two');
  await dispatch(window, 'online');
  chat.rerender({ threadId: 'b' });
  chat.rerender({ threadId: 't' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(chat.current.messages.map(({ status }) => status)).toEqual(['failed', 'failed']);
  expect(memory.runs).toHaveLength(2);
});

test('a turn continues when its thread is shown again, and runs only once', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: (_, count) => (count === 1 ? promise : undefined) });
  const chat = await renderLoaded({ threadId: 't' });
  chat.act(({ sendMessage }) => void sendMessage({ text: 'Hello', metadata: { draft: 1 } }));
  await memory.waitForRuns(1);
  await unmount(chat);
  const again = renderChat({ threadId: 't' });
  expect(again.current.messages).toMatchObject([{ content: 'Hello', status: 'failed', error: { isAbort: true } }]);
  await again.waitUntil(({ messages }) => messages.length === 2);
  resolve(undefined);
  expect(again.current.messages).toMatchObject([{ status: 'sent' }, { content: 'You said: Hello' }]);
  expect(memory.runs[1]?.body).toEqual(memory.runs[0]?.body);
  expect(memory.threads.get('t')).toHaveLength(2);
});

test('after a reload during a turn, the message and the answer are shown', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? deferred<Response>().promise : undefined) });
  const chat = renderChat();
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await memory.waitForRuns(1);
  // Restore the storage after the unmount, because a page that the browser closes calls no cleanup.
  const storedEntries = Object.keys(sessionStorage).map((key) => [key, sessionStorage.getItem(key) ?? ''] as const);
  await unmount(chat);
  sessionStorage.clear();
  for (const [key, value] of storedEntries) sessionStorage.setItem(key, value);
  const again = renderChat();
  expect(again.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  await again.waitUntil(({ messages }) => messages.length === 2);
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(1);
});

test('a turn that was interrupted long ago is resent only by retry', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const memory = serve({ run: (_, count) => (count === 1 ? deferred<Response>().promise : undefined) });
  const chat = await renderLoaded({ threadId: 't' });
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await memory.waitForRuns(1);
  await unmount(chat);
  vi.setSystemTime(Date.now() + 3_600_000);
  const again = await renderLoaded({ threadId: 't' });
  expect(again.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  expect(memory.runs).toHaveLength(1);
  again.act(({ retry }) => void retry());
  await again.waitUntil(({ messages }) => messages.length === 2);
});

test('persist: false keeps messages in memory only', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const chat = await renderLoaded({ threadId: 't', persist: false });
  chat.rerender({ threadId: 'b', persist: false });
  chat.rerender({ threadId: 't', persist: false });
  expect(chat.texts).toEqual(['q0', 'a0']);
  await unmount(chat);
  expect(sessionStorage).toHaveLength(0);
  expect(localStorage).toHaveLength(0);
});

test('persist: local caches messages in localStorage only with a userId', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  await renderLoaded({ threadId: 't', persist: 'local' });
  expect([cachedKeys().length, cachedKeys(localStorage).length]).toEqual([1, 0]);
  await renderLoaded({ threadId: 't', persist: 'local', userId: 'ada' });
  expect(cachedKeys(localStorage)).toHaveLength(1);
});

test('a change of the user deletes the previous user’s cached messages', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  await unmount(await renderLoaded({ threadId: 't', persist: 'local', userId: 'ada' }));
  expect(cachedKeys(localStorage)).toHaveLength(1);
  await renderLoaded({ threadId: 'none', persist: 'local', userId: 'bob' });
  expect(cachedKeys(localStorage)).toEqual([]);
});

test('two users on one page keep their own cached messages', async () => {
  const memory = serve();
  storeExchanges(memory, 'a', 1);
  storeExchanges(memory, 'b', 1);
  await renderLoaded({ threadId: 'a', userId: 'ada' });
  await renderLoaded({ threadId: 'b', userId: 'bob' });
  await dispatch(window, 'focus');
  expect(cachedKeys()).toHaveLength(2);
});

test('the cache has only the newest messages of a long thread, and only the last 20 threads', async () => {
  const memory = serve();
  for (let n = 0; n < 30; n++) storeExchanges(memory, String(n), 2);
  for (let n = 0; n < 10; n++) store(memory, 'long', `long-${String(n)}`, 'x'.repeat(20_000), `a${String(n)}`);
  const chat = await renderLoaded({ threadId: 'long' });
  expect((sessionStorage.getItem(cachedKeys()[0] ?? '') ?? '').length).toBeLessThan(160_000);
  await unmount(chat);
  const again = renderChat({ threadId: 'long' });
  expect(again.texts.at(-1)).toBe('a9');
  expect(again.texts.length).toBeLessThan(20);
  expect(again.current.hasMore).toBe(false);
  await again.waitUntil(({ messages }) => messages.length === 20);
  for (let n = 0; n < 30; n++) {
    again.rerender({ threadId: String(n) });
    await again.waitUntil(({ messages }) => messages.length === 4);
  }
  expect(cachedKeys()).toHaveLength(20);
});

test('if a thread becomes too long for the cache, its cached messages are deleted', async () => {
  const memory = serve();
  const chat = await renderLoaded({ threadId: 't' });
  await chat.send('Hello');
  expect(cachedKeys()).toHaveLength(1);
  await chat.send('x'.repeat(200_000));
  expect(cachedKeys()).toEqual([]);
  expect(memory.runs).toHaveLength(2);
});

test('if the storage is full, the cache deletes older threads or stores nothing', async () => {
  const memory = serve();
  storeExchanges(memory, 'a', 1);
  storeExchanges(memory, 'b', 1);
  await unmount(await renderLoaded({ threadId: 'a' }));
  const realStorage = sessionStorage;
  const full = new Proxy(realStorage, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'setItem') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      return (key: string, text: string) => {
        if (cachedKeys(realStorage).length > 0) throw new DOMException('full', 'QuotaExceededError');
        realStorage.setItem(key, text);
      };
    },
  });
  vi.spyOn(window, 'sessionStorage', 'get').mockReturnValue(full);
  await renderLoaded({ threadId: 'b' });
  expect(cachedKeys(realStorage)).toEqual([expect.stringMatching(/"b"\]$/)]);
});

test.each([
  '',
  'x',
  '1 {',
  '1 {"messages":[]}',
  '1 {"messages":[{}],"unsent":[]}',
  '1 {"messages":[],"unsent":[1]}',
  '1 null',
])('an invalid cache entry is ignored: %s', async (invalid) => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  await unmount(await renderLoaded({ threadId: 't' }));
  sessionStorage.setItem(cachedKeys()[0] ?? '', invalid);
  const again = renderChat({ threadId: 't' });
  expect(again.texts).toEqual([]);
  await again.waitUntil(({ messages }) => messages.length === 2);
});

test('initial messages take precedence over cached messages', async () => {
  const memory = serve({ read: (count) => (count > 1 ? deferred<Response>().promise : undefined) });
  storeExchanges(memory, 't', 1);
  await unmount(await renderLoaded({ threadId: 't' }));
  const createdAt = '2026-01-01T00:00:00Z';
  const initialMessages = [
    { id: 'x', exchangeId: 't-0', role: 'user', content: 'changed', createdAt, status: 'sent' } as const,
  ];
  expect(renderChat({ threadId: 't', initialMessages }).texts).toEqual(['changed']);
});

test('each deployment has its own cached messages', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  await unmount(await renderLoaded({ threadId: 't' }));
  const other = renderChat({ threadId: 't', baseUrl: `${API}/other`, fetch: () => deferred<Response>().promise });
  expect(other.texts).toEqual([]);
});
