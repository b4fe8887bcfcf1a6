import { act } from '@testing-library/react';
import { HttpResponse } from 'msw';
import { expect, test, vi } from 'vitest';
import type { ChatMessage } from '../src/index.js';
import { chat, refreshed } from './chat.js';
import { gate, problem, serve, store, tell } from './server.js';

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, n) => [`q${String(from + n)}`, `a${String(from + n)}`]).flat();
}

test('the history is the newest page, oldest first, and loadMore puts older pages before it without dropping any', async () => {
  const memory = serve();
  tell(memory, 't', 6);
  const shown = chat({ threadId: 't', pageSize: 5 });
  expect(shown.now.historyStatus).toBe('loading');
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  expect(shown.texts).toEqual(numbered(0, 6).slice(-5));
  expect(shown.now.hasMore).toBe(true);
  expect(Object.fromEntries(memory.reads[0] ?? [])).toEqual({ order: 'desc', limit: '5' });
  await act(() => shown.now.loadMore());
  expect(shown.texts).toEqual(numbered(0, 6).slice(-10));
  await act(() => shown.now.loadMore());
  expect(shown.texts).toEqual(numbered(0, 6));
  expect(shown.now.hasMore).toBe(false);
  await act(() => shown.now.loadMore());
  expect(memory.reads).toHaveLength(3);
  await refreshed(shown);
  expect(shown.now.hasMore).toBe(false);
});

test('loadMore twice at once is one request', async () => {
  const memory = serve();
  tell(memory, 't', 6);
  const shown = chat({ threadId: 't', pageSize: 4 });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  await act(() => Promise.all([shown.now.loadMore(), shown.now.loadMore()]));
  expect(memory.reads).toHaveLength(2);
  expect(shown.texts).toEqual(numbered(2, 6));
});

test('what is sent while the history loads stays behind it, also when the history has it already', async () => {
  const { opened, open } = gate();
  const answered = gate();
  const memory = serve({
    read: () => opened,
    run: async ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, 'You said: Hello');
      await answered.opened;
      return HttpResponse.json({
        response: 'You said: Hello',
        thread_id: 't',
        exchange_id: body.exchange_id,
        memory: { source: 'redis', degraded: [], durability: 'queue', cached: true },
      });
    },
  });
  tell(memory, 't', 2);
  const shown = chat({ threadId: 't' });
  shown.do(({ sendMessage }) => void sendMessage('Hello'));
  await memory.arrived(1);
  open(undefined);
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  // The server has kept the exchange, its answer to the request is still on its way.
  expect(shown.texts).toEqual([...numbered(0, 2), 'Hello', 'You said: Hello']);
  expect(shown.now.status).toBe('submitted');
  answered.open(undefined);
  await shown.until(({ status }) => status === 'ready');
  expect(shown.texts).toEqual([...numbered(0, 2), 'Hello', 'You said: Hello']);
  expect(shown.now.messages.at(-1)?.context?.source).toBe('redis');
});

test('a turn that the history told of is sent, also if its own answer is lost', async () => {
  const lost = gate();
  const memory = serve({
    run: async ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, 'You said: Hello');
      await lost.opened;
      return problem(504, 'No answer in time.');
    },
  });
  const onError = vi.fn();
  const shown = chat({ threadId: 't', onError });
  let answer: ChatMessage | undefined;
  shown.do(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await memory.arrived(1);
  await refreshed(shown);
  lost.open(undefined);
  await shown.until(({ status }) => status === 'ready');
  expect(shown.now.messages).toMatchObject([
    { content: 'Hello', status: 'sent' },
    { content: 'You said: Hello', status: 'sent' },
  ]);
  expect(shown.now.error).toBeUndefined();
  expect(onError).not.toHaveBeenCalled();
  expect(answer).toBe(shown.now.messages[1]);
});

test('back in a thread, one page is read, however much was said meanwhile', async () => {
  const memory = serve();
  tell(memory, 'a', 4);
  const shown = chat({ threadId: 'a', pageSize: 4 });
  await shown.until(({ messages }) => messages.length === 4);
  shown.set({ threadId: 'b', pageSize: 4 });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  memory.threads.clear();
  tell(memory, 'a', 12);
  shown.set({ threadId: 'a', pageSize: 4 });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  expect(shown.texts).toEqual(numbered(10, 12));
  expect(memory.reads).toHaveLength(3);
});

test('a thread that is left while it loads has no error of that when it is shown again', async () => {
  const memory = serve({ run: () => problem(502, 'no'), read: (count) => (count === 2 ? gate().opened : undefined) });
  const shown = chat({ threadId: 'a' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  await shown.say('Hello');
  shown.do(({ refresh }) => void refresh());
  await vi.waitFor(() => {
    expect(memory.reads).toHaveLength(2);
  });
  shown.set({ threadId: 'b' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  shown.set({ threadId: 'a' });
  expect(shown.texts).toEqual(['Hello']);
  expect(shown.now).toMatchObject({ error: undefined, historyStatus: 'loading' });
});

test('loadMore during a turn leaves the turn alone', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: () => opened });
  tell(memory, 't', 3);
  const shown = chat({ threadId: 't', pageSize: 4 });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  shown.do(({ sendMessage }) => void sendMessage('Hello'));
  await act(() => shown.now.loadMore());
  expect(shown.texts).toEqual([...numbered(0, 3), 'Hello']);
  open(undefined);
  await shown.until(({ status }) => status === 'ready');
  expect(shown.texts).toEqual([...numbered(0, 3), 'Hello', 'You said: Hello']);
});

test('refresh takes in what was said elsewhere, and keeps what failed here', async () => {
  const memory = serve({ run: () => problem(502, 'no') });
  tell(memory, 't', 2);
  const shown = chat({ threadId: 't' });
  await shown.until(({ messages }) => messages.length === 4);
  await shown.say('mine');
  store(memory, 't', 'elsewhere', 'theirs', 'answered');
  await refreshed(shown);
  expect(shown.texts).toEqual([...numbered(0, 2), 'theirs', 'answered', 'mine']);
  expect(shown.now.messages.at(-1)).toMatchObject({ status: 'failed' });
  expect(shown.now.error?.detail).toBe('no');
});

test('refresh leaves no gap, however much was said elsewhere, and hasMore as it was', async () => {
  const memory = serve();
  tell(memory, 't', 4);
  const shown = chat({ threadId: 't', pageSize: 4 });
  await shown.until(({ messages }) => messages.length === 4);
  memory.threads.clear();
  tell(memory, 't', 12);
  await refreshed(shown);
  expect(shown.texts).toEqual(numbered(2, 12));
  expect(shown.now.hasMore).toBe(true);
  await act(() => shown.now.loadMore());
  expect(shown.texts).toEqual(numbered(0, 12));
});

test('refresh of a thread that was made here brings all that others said, before and after', async () => {
  const memory = serve();
  const shown = chat({ pageSize: 4 });
  const id = shown.now.threadId ?? '';
  tell(memory, id, 4);
  await shown.say('mine');
  for (const n of ['1', '2', '3']) store(memory, id, n, `theirs ${n}`, `answer ${n}`);
  await refreshed(shown);
  const later = ['1', '2', '3'].flatMap((n) => [`theirs ${n}`, `answer ${n}`]);
  expect(shown.texts).toEqual([...numbered(0, 4), 'mine', 'You said: mine', ...later]);
  expect(shown.now.hasMore).toBe(false);
});

test('refresh during a refresh asks again afterwards, once', async () => {
  const { opened, open } = gate();
  const memory = serve({ read: (count) => (count === 1 ? opened : undefined) });
  tell(memory, 't', 1);
  const shown = chat({ threadId: 't' });
  let done: Promise<unknown> = Promise.resolve();
  shown.do(({ refresh }) => {
    done = Promise.all([refresh(), refresh()]);
  });
  open(undefined);
  await act(async () => {
    await done;
  });
  expect(memory.reads).toHaveLength(2);
});

test('a message that nothing changed is the same object after a refresh', async () => {
  const memory = serve();
  tell(memory, 't', 2);
  const shown = chat({ threadId: 't' });
  await shown.until(({ messages }) => messages.length === 4);
  const before = shown.now.messages;
  await refreshed(shown);
  expect(shown.now.messages.every((message, index) => message === before[index])).toBe(true);
});

test('a history that cannot be read says so, and a refresh reads it', async () => {
  const memory = serve({ read: (count) => (count === 1 ? problem(503, 'postgres did not answer.') : undefined) });
  tell(memory, 't', 1);
  const onError = vi.fn();
  const shown = chat({ threadId: 't', onError });
  await shown.until(({ historyStatus }) => historyStatus === 'error');
  expect(shown.now).toMatchObject({ status: 'ready', error: { status: 503, detail: 'postgres did not answer.' } });
  expect(onError.mock.calls).toEqual([[shown.now.error]]);
  await refreshed(shown);
  expect(shown.now).toMatchObject({ historyStatus: 'ready', error: undefined });
  expect(shown.texts).toEqual(['q0', 'a0']);
});

test('an older page that cannot be read can be asked for again', async () => {
  const memory = serve({ read: (count) => (count === 2 ? problem(503, 'postgres did not answer.') : undefined) });
  tell(memory, 't', 4);
  const shown = chat({ threadId: 't', pageSize: 4 });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  await act(() => shown.now.loadMore());
  expect(shown.now).toMatchObject({ historyStatus: 'error', hasMore: true });
  await act(() => shown.now.loadMore());
  expect(shown.texts).toEqual(numbered(0, 4));
  expect(shown.now).toMatchObject({ historyStatus: 'ready', error: undefined });
});

test('layers that did not answer are named', async () => {
  serve({ read: () => HttpResponse.json({ items: [], next_cursor: null, degraded: ['redis'] }) });
  const shown = chat({ threadId: 't' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  expect(shown.now.historyDegraded).toEqual(['redis']);
});

test('loadHistory: false asks for nothing until refresh', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  const shown = chat({ threadId: 't', loadHistory: false });
  expect(shown.now.historyStatus).toBe('idle');
  expect(memory.reads).toHaveLength(0);
  await refreshed(shown);
  expect(shown.texts).toEqual(['q0', 'a0']);
});

test('initial messages are shown at once, and the history is united with them', async () => {
  const memory = serve();
  tell(memory, 't', 3);
  const initialMessages: ChatMessage[] = [
    { id: 'x', exchangeId: 't-1', role: 'user', content: 'q1', createdAt: '2026-01-01T00:00:02Z', status: 'sent' },
  ];
  const shown = chat({ threadId: 't', initialMessages });
  expect(shown.texts).toEqual(['q1']);
  await shown.until(({ messages }) => messages.length === 6);
  expect(shown.texts).toEqual(numbered(0, 3));
  expect(shown.now.messages[2]?.id).toBe('x');
  shown.set({ threadId: 'other', initialMessages });
  expect(shown.texts).toEqual([]);
});

test('an id with slashes and signs finds its messages', async () => {
  const memory = serve();
  tell(memory, 'a/b?c#d %', 1);
  const shown = chat({ threadId: 'a/b?c#d %' });
  await shown.until(({ messages }) => messages.length === 2);
});

test.each(Array.from({ length: 16 }, (_, n) => n))(
  'a switch at the very moment of the answer leaves nothing of it behind: %i',
  async (later) => {
    const memory = serve({ run: () => problem(503, 'Not now.') });
    tell(memory, 't', 2);
    let isFirst = true;
    const shown = chat({ threadId: 't' });
    await shown.until(({ historyStatus }) => historyStatus === 'ready');
    // A thread with a text that was not sent is kept when it is left.
    await shown.say('Unsent');
    shown.set({ threadId: 'u' });
    await shown.until(({ historyStatus }) => historyStatus === 'ready');
    const slow: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!isFirst) return response;
      isFirst = false;
      const text = await response.text();
      const leaveLater = (rest: number): void => {
        queueMicrotask(() => {
          if (rest > 0) leaveLater(rest - 1);
          else shown.now.newThread();
        });
      };
      response.text = () => {
        leaveLater(later);
        return Promise.resolve(text);
      };
      return response;
    };
    await act(async () => {
      shown.set({ threadId: 't', fetch: slow });
      await vi.waitFor(() => {
        expect(shown.now.threadId).not.toBe('t');
      });
    });
    expect(shown.texts).toEqual([]);
    store(memory, 't', 't-2', 'q2', 'a2');
    shown.set({ threadId: 'u' });
    shown.set({ threadId: 't' });
    await shown.until(({ historyStatus }) => historyStatus === 'ready');
    expect(shown.texts).toEqual([...numbered(0, 3), 'Unsent']);
    expect(memory.reads).toHaveLength(5);
  },
);
