import { act } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { chat, refreshed } from './chat.js';
import { answerTo, API, gate, problem, serve, store, tell } from './server.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('the hook creates a thread id if the options have none; the id is in the first render and stays', async () => {
  serve();
  const onThreadId = vi.fn();
  const shown = chat({ onThreadId });
  await shown.say('Hello');
  const ids = new Set(shown.renders.map(({ threadId }) => threadId));
  expect([...ids]).toEqual([expect.stringMatching(UUID)]);
  expect(onThreadId.mock.calls).toEqual([[shown.now.threadId]]);
});

test('a new thread requests no history, and an unknown thread id gives an empty thread without an error', async () => {
  const memory = serve();
  const made = chat();
  await made.until(({ historyStatus }) => historyStatus === 'ready');
  expect(memory.reads).toHaveLength(0);
  const given = chat({ threadId: 'nobody said anything here' });
  await given.until(({ historyStatus }) => historyStatus === 'ready');
  expect(memory.reads).toHaveLength(1);
  expect(given.now).toMatchObject({ messages: [], error: undefined, hasMore: false, status: 'ready' });
});

test('a reload of the tab continues the thread and shows its messages', async () => {
  serve();
  const before = chat();
  await before.say('Hello');
  before.unmount();
  const after = chat();
  expect(after.now.threadId).toBe(before.now.threadId);
  await after.until(({ messages }) => messages.length === 2);
  expect(after.texts).toEqual(['Hello', 'You said: Hello']);
  expect(localStorage).toHaveLength(0);
});

test('persist: local stores the thread id for the browser, false does not store it', () => {
  serve();
  const local = chat({ persist: 'local' });
  expect(sessionStorage).toHaveLength(0);
  expect(chat({ persist: 'local' }).now.threadId).toBe(local.now.threadId);
  localStorage.clear();
  const none = chat({ persist: false });
  expect(localStorage).toHaveLength(0);
  expect(sessionStorage).toHaveLength(0);
  expect(chat({ persist: false }).now.threadId).not.toBe(none.now.threadId);
});

test('a stored thread id belongs to one API and one user', () => {
  serve();
  const ids = [
    chat({ userId: 'ada' }),
    chat({ userId: 'bob' }),
    chat(),
    chat({ baseUrl: `${API}/other`, userId: 'ada' }),
  ].map(({ now }) => now.threadId);
  expect(new Set(ids).size).toBe(4);
  expect(chat({ userId: 'ada', baseUrl: `${API}/` }).now.threadId).toBe(ids[0]);
});

test.each(['', 'null', '{', '"x"', '{"threadId":7}', '{"threadId":""}', JSON.stringify({ threadId: 'x'.repeat(300) })])(
  'a corrupt entry is ignored: %s',
  (corrupt) => {
    serve();
    const first = chat();
    sessionStorage.setItem(sessionStorage.key(0) ?? '', corrupt);
    first.unmount();
    const second = chat();
    expect(second.now.threadId).toMatch(UUID);
    expect(second.now.threadId).not.toBe(first.now.threadId);
  },
);

test('storage that throws is ignored', async () => {
  serve();
  const full = (): never => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  vi.spyOn(Storage.prototype, 'getItem').mockImplementation(full);
  vi.spyOn(Storage.prototype, 'setItem').mockImplementation(full);
  const shown = chat();
  expect((await shown.say('Hello'))?.content).toBe('You said: Hello');
});

test('storage that the browser denies is ignored', async () => {
  serve();
  vi.spyOn(window, 'sessionStorage', 'get').mockImplementation(() => {
    throw new DOMException('denied', 'SecurityError');
  });
  const shown = chat();
  expect((await shown.say('Hello'))?.content).toBe('You said: Hello');
});

test('a thread id from the options is not stored', () => {
  serve();
  chat({ threadId: 't' });
  expect(sessionStorage).toHaveLength(0);
});

test('generateId makes thread ids', async () => {
  const memory = serve();
  const shown = chat({ generateId: () => 'mine' });
  await shown.say('Hello');
  expect(memory.runs[0]?.body.thread_id).toBe('mine');
  expect(memory.runs[0]?.key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
});

test('no render after a switch shows a message of the previous thread', async () => {
  const memory = serve();
  tell(memory, 'a', 1);
  tell(memory, 'b', 2);
  const shown = chat({ threadId: 'a' });
  await shown.until(({ messages }) => messages.length === 2);
  const before = shown.renders.length;
  shown.set({ threadId: 'b' });
  expect(shown.now).toMatchObject({ threadId: 'b', messages: [], historyStatus: 'loading' });
  await shown.until(({ messages }) => messages.length === 4);
  for (const { threadId, messages } of shown.renders.slice(before)) {
    expect(threadId).toBe('b');
    expect(messages.every(({ exchangeId }) => exchangeId?.startsWith('b-'))).toBe(true);
  }
});

test('switching in the middle of a turn aborts it and ignores its answer', async () => {
  const { opened, open } = gate<Response>();
  const signals: (AbortSignal | null | undefined)[] = [];
  const deaf: typeof fetch = async (input, init) => {
    if (init?.method !== 'POST') return fetch(input, init);
    // Takes no notice of its signal.
    signals.push(init.signal);
    return opened;
  };
  serve();
  const onFinish = vi.fn();
  const onError = vi.fn();
  const shown = chat({ threadId: 'a', fetch: deaf, onFinish, onError });
  let answer: unknown = 'none yet';
  shown.do(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await vi.waitFor(() => {
    expect(signals).toHaveLength(1);
  });
  shown.set({ threadId: 'b', fetch: deaf, onFinish, onError });
  expect(signals[0]?.aborted).toBe(true);
  expect(shown.now).toMatchObject({ threadId: 'b', status: 'ready', messages: [], error: undefined });
  await act(async () => {
    open(Response.json(answerTo({ prompt: 'Hello' })));
    await opened;
  });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  expect(shown.now).toMatchObject({ threadId: 'b', status: 'ready', messages: [], lastContext: undefined });
  expect(answer).toBeUndefined();
  expect(onFinish).not.toHaveBeenCalled();
  expect(onError).not.toHaveBeenCalled();
});

test('late history of the previous thread is ignored', async () => {
  const { opened, open } = gate();
  const memory = serve({ read: (count) => (count === 1 ? opened : undefined) });
  tell(memory, 'a', 3);
  tell(memory, 'b', 1);
  const shown = chat({ threadId: 'a' });
  await vi.waitFor(() => {
    expect(memory.reads).toHaveLength(1);
  });
  shown.set({ threadId: 'b' });
  await shown.until(({ messages }) => messages.length === 2);
  open(undefined);
  await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
  expect(shown.texts).toEqual(['q0', 'a0']);
});

test('a thread that was left during a turn still has the text, and the history completes the turn', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: (_, count) => (count === 1 ? opened : undefined) });
  tell(memory, 'a', 1);
  const shown = chat({ threadId: 'a' });
  await shown.until(({ messages }) => messages.length === 2);
  shown.do(({ sendMessage }) => void sendMessage('Hello'));
  await memory.arrived(1);
  shown.set({ threadId: 'b' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  shown.set({ threadId: 'a' });
  expect(shown.now.messages.at(-1)).toMatchObject({ content: 'Hello', status: 'failed', error: { isAbort: true } });
  open(undefined);
  await vi.waitFor(() => {
    expect(memory.threads.get('a')).toHaveLength(4);
  });
  shown.set({ threadId: 'b' });
  shown.set({ threadId: 'a' });
  await shown.until(({ messages }) => messages.length === 4);
  expect(shown.now.messages.map(({ status }) => status)).toEqual(['sent', 'sent', 'sent', 'sent']);
  expect(shown.texts.slice(2)).toEqual(['Hello', 'You said: Hello']);
});

test('a failed send survives a switch, and can be sent again', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'no') : undefined) });
  const shown = chat({ threadId: 'a' });
  await shown.say('Hello');
  shown.set({ threadId: 'b' });
  shown.set({ threadId: 'a' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  shown.do(({ retry }) => void retry());
  await shown.until(({ messages }) => messages.length === 2);
  expect(memory.runs[1]?.body).toEqual(memory.runs[0]?.body);
});

test('a change of the user removes all messages of the previous user', async () => {
  const memory = serve({ run: () => problem(502, 'no') });
  tell(memory, 'a', 1);
  const shown = chat({ threadId: 'a', userId: 'ada' });
  await shown.until(({ messages }) => messages.length === 2);
  await shown.say('Hello');
  memory.threads.clear();
  shown.set({ threadId: 'a', userId: 'bob' });
  expect(shown.now).toMatchObject({ userId: 'bob', messages: [] });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  shown.set({ threadId: 'a', userId: 'ada' });
  expect(shown.now.messages).toEqual([]);
});

test('newThread starts and stores an empty thread, reports its id, and aborts the running turn', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? gate().opened : undefined) });
  const onThreadId = vi.fn();
  const shown = chat({ onThreadId });
  const first = shown.now.threadId;
  shown.do(({ sendMessage }) => void sendMessage('Hello'));
  await memory.arrived(1);
  const second = shown.do(({ newThread }) => newThread());
  expect(second).toMatch(UUID);
  expect(shown.now).toMatchObject({ threadId: second, messages: [], status: 'ready', historyStatus: 'ready' });
  await shown.say('Hello again');
  expect(memory.runs.map(({ body }) => body.thread_id)).toEqual([first, second]);
  expect(onThreadId.mock.calls).toEqual([[first], [second]]);
  shown.unmount();
  expect(chat().now.threadId).toBe(second);
});

test('newThread twice creates two threads; the second one is shown, and only its id is reported', async () => {
  serve();
  const onThreadId = vi.fn();
  const shown = chat({ threadId: 't', onThreadId });
  const [one, two] = shown.do(({ newThread }) => [newThread(), newThread()]);
  expect(one).not.toBe(two);
  expect(shown.now.threadId).toBe(two);
  await shown.say('Hello');
  expect(onThreadId.mock.calls).toEqual([[two]]);
});

test('newThread replaces the thread of the options until the options have another id', async () => {
  const memory = serve();
  tell(memory, 'a', 1);
  const shown = chat({ threadId: 'a' });
  await shown.until(({ messages }) => messages.length === 2);
  const made = shown.do(({ newThread }) => newThread());
  shown.set({ threadId: 'a' });
  expect(shown.now.threadId).toBe(made);
  await shown.say('Hello');
  // As by a parent that keeps the id in its own state.
  shown.set({ threadId: made });
  expect(shown.texts).toEqual(['Hello', 'You said: Hello']);
  shown.set({ threadId: 'a' });
  expect(shown.now.threadId).toBe('a');
  await shown.until(({ messages }) => messages.length === 2);
});

test('two hooks on one page agree on the thread, and each sees what the other is answered', async () => {
  const memory = serve();
  const first = chat();
  const second = chat();
  expect(second.now.threadId).toBe(first.now.threadId);
  await first.say('one');
  await second.say('two');
  const both = ['one', 'You said: one', 'two', 'You said: two'];
  expect(first.texts).toEqual(both);
  await second.until(({ messages }) => messages.length === 4);
  expect(second.texts).toEqual(both);
  expect(memory.runs).toHaveLength(2);
});

test('a turn that the other hook has read already is not shown twice', async () => {
  const memory = serve({
    run: async ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, `You said: ${body.prompt}`);
      await refreshed(second);
      return Response.json(answerTo(body));
    },
  });
  const first = chat({ threadId: 't' });
  const second = chat({ threadId: 't' });
  await first.say('Hello');
  expect(first.texts).toEqual(['Hello', 'You said: Hello']);
  expect(second.texts).toEqual(['Hello', 'You said: Hello']);
});

test('after the end of the component nothing is called, nothing goes on, and nothing is shown elsewhere', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: () => opened, read: () => opened });
  const signals: (AbortSignal | null | undefined)[] = [];
  const onFinish = vi.fn();
  const onError = vi.fn();
  const shown = chat({
    threadId: 't',
    onFinish,
    onError,
    fetch: (input, init) => {
      signals.push(init?.signal);
      return fetch(input, init);
    },
  });
  let isSettled = false;
  shown.do(({ sendMessage }) => void sendMessage('Hello').then(() => (isSettled = true)));
  await memory.arrived(1);
  const renders = shown.renders.length;
  shown.unmount();
  await vi.waitFor(() => {
    expect(isSettled).toBe(true);
  });
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
  open(undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(shown.renders).toHaveLength(renders);
  expect(onFinish).not.toHaveBeenCalled();
  expect(onError).not.toHaveBeenCalled();
});

test('the functions stay the same', async () => {
  serve();
  const shown = chat();
  const first = shown.now;
  await shown.say('Hello');
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
    expect(shown.now[name]).toBe(first[name]);
  }
});

test("newThread and a send at once: the message is the new thread's", async () => {
  const memory = serve();
  const shown = chat();
  let id = '';
  shown.do(({ newThread, sendMessage }) => {
    id = newThread();
    void sendMessage('Hello');
  });
  await shown.until(({ messages }) => messages.length === 2);
  expect(memory.runs.map(({ body }) => body.thread_id)).toEqual([id]);
});

test('a thread that was deleted while it was not shown is empty when it is shown again', async () => {
  const memory = serve();
  tell(memory, 'a', 1);
  const shown = chat({ threadId: 'a' });
  await shown.until(({ messages }) => messages.length === 2);
  await shown.say('Hello');
  shown.set({ threadId: 'b' });
  memory.threads.delete('a');
  shown.set({ threadId: 'a' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  expect(shown.texts).toEqual([]);
});

test('back in the thread that was made here, its history is there, and it is told of again', async () => {
  serve();
  const onThreadId = vi.fn();
  const shown = chat({ onThreadId });
  await shown.say('Hello');
  const made = shown.now.threadId;
  shown.set({ threadId: 'b', onThreadId });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  shown.set({ onThreadId });
  expect(shown.now.threadId).toBe(made);
  await shown.until(({ messages }) => messages.length === 2);
  expect(onThreadId.mock.calls).toEqual([[made], [made]]);
});

test('many threads later, what failed in the last twenty is kept', async () => {
  const memory = serve({ run: () => problem(502, 'no') });
  const shown = chat({ threadId: '0', loadHistory: false });
  for (let n = 0; n < 25; n++) {
    shown.set({ threadId: String(n), loadHistory: false });
    await shown.say('Hello');
  }
  shown.set({ threadId: '6', loadHistory: false });
  expect(shown.texts).toEqual(['Hello']);
  shown.set({ threadId: '3', loadHistory: false });
  expect(shown.texts).toEqual([]);
  expect(memory.runs).toHaveLength(25);
});

test.each(['session', 'local'] as const)('a thread that was deleted is kept nowhere (%s)', async (persist) => {
  serve();
  const shown = chat({ userId: 'ada', persist });
  await shown.say('A secret');
  const other = chat({ userId: 'ada', persist });
  await other.until(({ messages }) => messages.length === 2);
  const deleted = shown.now.threadId ?? '';
  const answered = shown.do(({ sendMessage }) => sendMessage('Another secret'));
  shown.do(({ forgetThread }) => {
    forgetThread(deleted);
  });
  await answered;
  expect(shown.now.threadId).not.toBe(deleted);
  expect([shown.texts, other.texts]).toEqual([[], []]);
  shown.unmount();
  other.unmount();
  await new Promise((resolve) => setTimeout(resolve));
  expect(JSON.stringify([sessionStorage, localStorage].map((storage) => Object.entries(storage)))).not.toContain(
    'secret',
  );
});

test('a thread that was deleted while another is shown', async () => {
  serve();
  const shown = chat({ threadId: 'one' });
  await shown.say('A secret');
  shown.set({ threadId: 'two' });
  await shown.say('Hello');
  shown.do(({ forgetThread }) => {
    forgetThread('one');
  });
  expect(shown.now.threadId).toBe('two');
  expect(JSON.stringify(Object.entries(sessionStorage))).not.toContain('secret');
  expect(JSON.stringify(Object.entries(sessionStorage))).toContain('Hello');
});
