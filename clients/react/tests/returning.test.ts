import { act } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import type { UseAgentChatOptions } from '../src/index.js';
import { chat, type Chat } from './chat.js';
import { API, gate, problem, serve, store, tell } from './server.js';

/** The line between the page and the server: it can be cut, and hold up what was sent. */
class Line {
  isCut = false;
  readonly fetch: typeof fetch = async (input, init) => {
    this.#check();
    const response = await fetch(input, init);
    // What the server did stays done.
    this.#check();
    return response;
  };

  #check(): void {
    if (this.isCut) throw new TypeError('Failed to fetch');
  }

  back(): Promise<void> {
    this.isCut = false;
    return happens(window, 'online');
  }
}

async function happens(target: EventTarget, event: string): Promise<void> {
  await act(async () => {
    target.dispatchEvent(new Event(event));
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
}

function look(state: DocumentVisibilityState): Promise<void> {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
  return happens(document, 'visibilitychange');
}

async function loaded(options: UseAgentChatOptions): Promise<Chat> {
  const shown = chat(options);
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  return shown;
}

/** The end of a component, and what follows at once. */
async function unmounted(shown: Chat): Promise<void> {
  shown.unmount();
  await new Promise((resolve) => setTimeout(resolve, 10));
}

function stored(storage: Storage = sessionStorage): string[] {
  return Object.keys(storage).filter((key) => key.startsWith('hybrid-memory:messages:'));
}

afterEach(() => {
  vi.useRealTimers();
});

test('a thread that was left shows what it showed, at once, and says if it cannot be read', async () => {
  const memory = serve();
  tell(memory, 'a', 2);
  const line = new Line();
  const shown = await loaded({ threadId: 'a', fetch: line.fetch });
  const before = shown.now.messages;
  shown.set({ threadId: 'b', fetch: line.fetch });
  line.isCut = true;
  shown.set({ threadId: 'a', fetch: line.fetch });
  expect(shown.now.messages).toEqual(before);
  await shown.until(({ historyStatus }) => historyStatus === 'error');
  expect(shown.now.messages).toEqual(before);
  store(memory, 'a', 'a-2', 'q2', 'a2');
  await line.back();
  await shown.until(({ messages }) => messages.length === 6);
  expect(shown.now).toMatchObject({ historyStatus: 'ready', error: undefined });
});

test('after a reload, what was shown is there before the server answers', async () => {
  const { opened, open } = gate();
  const memory = serve({ read: (count) => (count === 2 ? opened : undefined) });
  tell(memory, 't', 2);
  await unmounted(await loaded({ threadId: 't' }));
  store(memory, 't', 't-2', 'q2', 'a2');
  const again = chat({ threadId: 't' });
  expect(again.texts).toEqual(['q0', 'a0', 'q1', 'a1']);
  expect(again.now.historyStatus).toBe('loading');
  open(undefined);
  await again.until(({ historyStatus }) => historyStatus === 'ready');
  expect(again.texts).toEqual(['q0', 'a0', 'q1', 'a1', 'q2', 'a2']);
});

test('older pages that were loaded stay, without a gap or an end to them', async () => {
  const memory = serve();
  tell(memory, 't', 10);
  const shown = await loaded({ threadId: 't', pageSize: 6 });
  await act(() => shown.now.loadMore());
  expect(shown.now.messages).toHaveLength(12);
  await unmounted(shown);
  store(memory, 't', 't-10', 'q10', 'a10');
  const again = await loaded({ threadId: 't', pageSize: 6 });
  expect(again.texts.at(0)).toBe('q4');
  expect(again.texts).toHaveLength(14);
  expect(again.now.hasMore).toBe(true);
  await act(() => again.now.loadMore());
  await act(() => again.now.loadMore());
  expect(again.texts).toHaveLength(22);
  expect(again.now.hasMore).toBe(false);
});

test('what was said beyond the newest page leaves no gap: the rest is behind loadMore', async () => {
  const memory = serve();
  tell(memory, 't', 3);
  await unmounted(await loaded({ threadId: 't', pageSize: 4 }));
  memory.threads.clear();
  tell(memory, 't', 20);
  const again = await loaded({ threadId: 't', pageSize: 4 });
  expect(again.texts).toEqual(['q18', 'a18', 'q19', 'a19']);
  expect(again.now.hasMore).toBe(true);
});

test('what was deleted or replaced elsewhere meanwhile is not shown again', async () => {
  const memory = serve();
  tell(memory, 't', 3);
  await unmounted(await loaded({ threadId: 't' }));
  const [q0, a0, , , q2, a2] = memory.threads.get('t') ?? [];
  if (q0 && a0 && q2 && a2) memory.threads.set('t', [q0, { ...a0, content: 'another' }, q2, a2]);
  const again = await loaded({ threadId: 't' });
  expect(again.texts).toEqual(['q0', 'another', 'q2', 'a2']);
  await unmounted(again);
  memory.threads.clear();
  const gone = await loaded({ threadId: 't' });
  expect(gone.texts).toEqual([]);
  expect(stored()).toEqual([]);
});

test('messages that only an unavailable layer has are not dropped', async () => {
  const memory = serve({
    read: (count) => (count === 2 ? Response.json({ items: [], next_cursor: null, degraded: ['redis'] }) : undefined),
  });
  tell(memory, 't', 1);
  await unmounted(await loaded({ threadId: 't' }));
  const again = await loaded({ threadId: 't' });
  expect(again.texts).toEqual(['q0', 'a0']);
  expect(again.now.historyDegraded).toEqual(['redis']);
});

test.each(['online', 'focus'])('a turn from elsewhere is shown when the page is looked at again: %s', async (event) => {
  const memory = serve();
  tell(memory, 't', 1);
  const shown = await loaded({ threadId: 't' });
  store(memory, 't', 't-1', 'q1', 'a1');
  await happens(window, event);
  await shown.until(({ messages }) => messages.length === 4);
});

test('nothing is asked while nobody looks, and once when somebody does', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  await loaded({ threadId: 't' });
  await look('hidden');
  await happens(window, 'online');
  expect(memory.reads).toHaveLength(1);
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('visible');
  await act(async () => {
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event('focus'));
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
  expect(memory.reads).toHaveLength(2);
});

test('a new thread and one that loads no history are not asked for, and neither is a page that is gone', async () => {
  const memory = serve();
  const made = chat();
  const other = chat({ threadId: 't', loadHistory: false });
  await happens(window, 'focus');
  made.unmount();
  other.unmount();
  await happens(window, 'focus');
  expect(memory.reads).toEqual([]);
});

test('a message that the network swallowed is sent when it is back, once', async () => {
  const memory = serve();
  const line = new Line();
  line.isCut = true;
  const shown = chat({ threadId: 't', fetch: line.fetch });
  await shown.say('Hello');
  expect(shown.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  await happens(window, 'focus');
  expect(shown.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  await line.back();
  await shown.until(({ messages }) => messages.length === 2);
  expect(shown.now).toMatchObject({ status: 'ready', error: undefined });
  expect(memory.runs).toHaveLength(1);
});

test('a turn that finished while the page was away is shown, and not sent again', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: () => opened });
  const line = new Line();
  const shown = await loaded({ threadId: 't', fetch: line.fetch });
  shown.do(({ sendMessage }) => void sendMessage('Hello'));
  await memory.arrived(1);
  line.isCut = true;
  open(undefined);
  await shown.until(({ status }) => status === 'error');
  await line.back();
  await shown.until(({ status }) => status === 'ready');
  expect(shown.now.messages).toMatchObject([
    { content: 'Hello', status: 'sent' },
    { content: 'You said: Hello', status: 'sent' },
  ]);
  expect(memory.runs).toHaveLength(1);
});

test('an answer that will never come is not waited for once the history has it', async () => {
  const memory = serve({
    run: ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, 'You said: Hello');
      return gate<Response>().opened;
    },
  });
  const onFinish = vi.fn();
  const shown = await loaded({ threadId: 't', onFinish });
  let answer: unknown;
  shown.do(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await memory.arrived(1);
  await happens(window, 'focus');
  await shown.until(({ status }) => status === 'ready');
  expect(answer).toBe(shown.now.messages[1]);
  expect(shown.now.error).toBeUndefined();
  expect(onFinish.mock.calls).toEqual([[{ message: answer, aborted: false }]]);
});

test('what the person stopped, and what was refused, waits for the person', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? gate<Response>().opened : problem(422, 'No.')) });
  const shown = await loaded({ threadId: 't' });
  shown.do(({ sendMessage }) => void sendMessage('one'));
  await memory.arrived(1);
  shown.do(({ stop }) => {
    stop();
  });
  await shown.say('two');
  await happens(window, 'online');
  shown.set({ threadId: 'b' });
  shown.set({ threadId: 't' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(shown.now.messages.map(({ status }) => status)).toEqual(['failed', 'failed']);
  expect(memory.runs).toHaveLength(2);
});

test('a turn that was left before its answer goes on when the thread is shown again: one turn', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: (_, count) => (count === 1 ? opened : undefined) });
  const shown = await loaded({ threadId: 't' });
  shown.do(({ sendMessage }) => void sendMessage({ text: 'Hello', metadata: { draft: 1 } }));
  await memory.arrived(1);
  await unmounted(shown);
  const again = chat({ threadId: 't' });
  expect(again.now.messages).toMatchObject([{ content: 'Hello', status: 'failed', error: { isAbort: true } }]);
  await again.until(({ messages }) => messages.length === 2);
  open(undefined);
  expect(again.now.messages).toMatchObject([{ status: 'sent' }, { content: 'You said: Hello' }]);
  expect(memory.runs[1]?.body).toEqual(memory.runs[0]?.body);
  expect(memory.threads.get('t')).toHaveLength(2);
});

test('a reload in the middle of a turn loses neither the text nor the answer', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? gate<Response>().opened : undefined) });
  const shown = chat();
  shown.do(({ sendMessage }) => void sendMessage('Hello'));
  await memory.arrived(1);
  // As a page that is gone at once: nothing is called back, nothing is written any more.
  const kept = Object.keys(sessionStorage).map((key) => [key, sessionStorage.getItem(key) ?? ''] as const);
  await unmounted(shown);
  sessionStorage.clear();
  for (const [key, value] of kept) sessionStorage.setItem(key, value);
  const again = chat();
  expect(again.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  await again.until(({ messages }) => messages.length === 2);
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(1);
});

test('what was left long ago is sent only by the person', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const memory = serve({ run: (_, count) => (count === 1 ? gate<Response>().opened : undefined) });
  const shown = await loaded({ threadId: 't' });
  shown.do(({ sendMessage }) => void sendMessage('Hello'));
  await memory.arrived(1);
  await unmounted(shown);
  vi.setSystemTime(Date.now() + 3_600_000);
  const again = await loaded({ threadId: 't' });
  expect(again.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  expect(memory.runs).toHaveLength(1);
  again.do(({ retry }) => void retry());
  await again.until(({ messages }) => messages.length === 2);
});

test('persist: false keeps messages in memory only', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  const shown = await loaded({ threadId: 't', persist: false });
  shown.set({ threadId: 'b', persist: false });
  shown.set({ threadId: 't', persist: false });
  expect(shown.texts).toEqual(['q0', 'a0']);
  await unmounted(shown);
  expect(sessionStorage).toHaveLength(0);
  expect(localStorage).toHaveLength(0);
});

test('persist: local keeps messages in the browser only under a name: others use it, too', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  await loaded({ threadId: 't', persist: 'local' });
  expect([stored().length, stored(localStorage).length]).toEqual([1, 0]);
  await loaded({ threadId: 't', persist: 'local', userId: 'ada' });
  expect(stored(localStorage)).toHaveLength(1);
});

test("another user's messages are gone once somebody else is there", async () => {
  const memory = serve();
  tell(memory, 't', 1);
  await unmounted(await loaded({ threadId: 't', persist: 'local', userId: 'ada' }));
  expect(stored(localStorage)).toHaveLength(1);
  await loaded({ threadId: 'none', persist: 'local', userId: 'bob' });
  expect(stored(localStorage)).toEqual([]);
});

test('two users side by side leave each other alone', async () => {
  const memory = serve();
  tell(memory, 'a', 1);
  tell(memory, 'b', 1);
  await loaded({ threadId: 'a', userId: 'ada' });
  await loaded({ threadId: 'b', userId: 'bob' });
  await happens(window, 'focus');
  expect(stored()).toHaveLength(2);
});

test('storage is bounded: the newest of long threads, the last of many', async () => {
  const memory = serve();
  for (let n = 0; n < 30; n++) tell(memory, String(n), 2);
  for (let n = 0; n < 10; n++) store(memory, 'long', `long-${String(n)}`, 'x'.repeat(20_000), `a${String(n)}`);
  const shown = await loaded({ threadId: 'long' });
  expect((sessionStorage.getItem(stored()[0] ?? '') ?? '').length).toBeLessThan(160_000);
  await unmounted(shown);
  const again = chat({ threadId: 'long' });
  expect(again.texts.at(-1)).toBe('a9');
  expect(again.texts.length).toBeLessThan(20);
  expect(again.now.hasMore).toBe(false);
  await again.until(({ messages }) => messages.length === 20);
  for (let n = 0; n < 30; n++) {
    again.set({ threadId: String(n) });
    await again.until(({ messages }) => messages.length === 4);
  }
  expect(stored()).toHaveLength(20);
});

test('a message that is too long to keep does not leave an older state behind', async () => {
  const memory = serve();
  const shown = await loaded({ threadId: 't' });
  await shown.say('Hello');
  expect(stored()).toHaveLength(1);
  await shown.say('x'.repeat(200_000));
  expect(stored()).toEqual([]);
  expect(memory.runs).toHaveLength(2);
});

test('a full storage makes room, or does without', async () => {
  const memory = serve();
  tell(memory, 'a', 1);
  tell(memory, 'b', 1);
  await unmounted(await loaded({ threadId: 'a' }));
  const real = sessionStorage;
  const full = new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'setItem') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      return (key: string, text: string) => {
        if (stored(real).length > 0) throw new DOMException('full', 'QuotaExceededError');
        real.setItem(key, text);
      };
    },
  });
  vi.spyOn(window, 'sessionStorage', 'get').mockReturnValue(full);
  await loaded({ threadId: 'b' });
  expect(stored(real)).toEqual([expect.stringMatching(/"b"\]$/)]);
});

test.each([
  '',
  'x',
  '1 {',
  '1 {"messages":[]}',
  '1 {"messages":[{}],"unsent":[]}',
  '1 {"messages":[],"unsent":[1]}',
  '1 null',
])('what cannot be read is ignored: %s', async (garbage) => {
  const memory = serve();
  tell(memory, 't', 1);
  await unmounted(await loaded({ threadId: 't' }));
  sessionStorage.setItem(stored()[0] ?? '', garbage);
  const again = chat({ threadId: 't' });
  expect(again.texts).toEqual([]);
  await again.until(({ messages }) => messages.length === 2);
});

test('messages that the page brings along are newer than those kept', async () => {
  const memory = serve({ read: (count) => (count > 1 ? gate<Response>().opened : undefined) });
  tell(memory, 't', 1);
  await unmounted(await loaded({ threadId: 't' }));
  const createdAt = '2026-01-01T00:00:00Z';
  const initialMessages = [
    { id: 'x', exchangeId: 't-0', role: 'user', content: 'changed', createdAt, status: 'sent' } as const,
  ];
  expect(chat({ threadId: 't', initialMessages }).texts).toEqual(['changed']);
});

test('another deployment has other messages', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  await unmounted(await loaded({ threadId: 't' }));
  const other = chat({ threadId: 't', baseUrl: `${API}/other`, fetch: () => gate<Response>().opened });
  expect(other.texts).toEqual([]);
});
