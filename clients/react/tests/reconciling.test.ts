import { afterEach, expect, test, vi } from 'vitest';
import type { UseAgentChatOptions } from '../src/index.js';
import { renderChat, type RenderedChat } from './render-chat.js';
import { deferred, problem, serve, store, storeExchanges, type FakeMemory } from './server.js';

const tabs: BroadcastChannel[] = [];

afterEach(() => {
  for (const tab of tabs.splice(0)) tab.close();
});

/** Returns the channel of another tab, and the keys that it receives. */
function otherTab(): { channel: BroadcastChannel; received: string[] } {
  const channel = new BroadcastChannel('hybrid-memory');
  const received: string[] = [];
  channel.onmessage = ({ data }: MessageEvent<string>) => void received.push(data);
  tabs.push(channel);
  return { channel, received };
}

async function renderLoaded(options: UseAgentChatOptions): Promise<RenderedChat> {
  const chat = renderChat(options);
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  return chat;
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A server that stores turns, but whose responses are lost. */
function serveLost(response: () => Response, overrides: Parameters<typeof serve>[0] = {}): FakeMemory {
  const memory = serve({
    ...overrides,
    run: ({ body }) => {
      store(memory, 't', body.exchange_id ?? '', body.prompt, 'late');
      return response();
    },
  });
  return memory;
}

test.each([
  ['no response', () => Response.error()],
  ['a gateway that gave up', () => problem(504, 'Too late.')],
  ['a failure of the server', () => problem(500, 'Broken.')],
])('a message whose answer was lost gets the answer by itself: %s', async (_, response) => {
  const memory = serveLost(response);
  const chat = await renderLoaded({ threadId: 't' });
  await chat.send('Hello');
  expect(chat.current.messages).toMatchObject([{ status: 'failed', error: { mayHaveArrived: true } }]);
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(chat.texts).toEqual(['Hello', 'late']);
  expect(chat.current).toMatchObject({ status: 'ready', error: undefined, historyStatus: 'ready' });
  expect(memory.runs).toHaveLength(1);
});

test('a stopped message gets its answer by itself when the server has finished', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise });
  const chat = await renderLoaded({ threadId: 't' });
  chat.act(({ sendMessage }) => void sendMessage('Hello'));
  await memory.waitForRuns(1);
  chat.act(({ stop }) => {
    stop();
  });
  expect(chat.current.messages).toMatchObject([{ status: 'failed', error: { isAbort: true } }]);
  resolve(undefined);
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(chat.texts).toEqual(['Hello', 'You said: Hello']);
  expect(memory.runs).toHaveLength(1);
});

test('a check that fails is not shown, and the next one follows', async () => {
  const memory = serveLost(() => problem(500, 'Broken.'), {
    read: (count) => (count === 2 ? problem(500, 'Down.') : undefined),
  });
  const onError = vi.fn();
  const chat = await renderLoaded({ threadId: 't', onError });
  await chat.send('Hello');
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(memory.reads).toHaveLength(3);
  expect(onError).toHaveBeenCalledTimes(1);
  expect(new Set(chat.renders.slice(2).map(({ historyStatus }) => historyStatus))).toEqual(new Set(['ready']));
});

test('nothing is checked for a rejected message, without a history, and for a thread that is no longer shown', async () => {
  const memory = serve({ run: ({ body }) => problem(body.thread_id === 'rejected' ? 422 : 500, 'No.') });
  const rejected = await renderLoaded({ threadId: 'rejected' });
  await rejected.send('Hello');
  expect(rejected.current.messages).toMatchObject([{ error: { mayHaveArrived: false } }]);
  const unread = renderChat({ threadId: 'unread', loadHistory: false });
  await unread.send('Hello');
  const left = await renderLoaded({ threadId: 'left' });
  await left.send('Hello');
  left.rerender({ threadId: 'next' });
  await left.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  const before = memory.reads.length;
  await wait(1_300);
  expect(memory.reads).toHaveLength(before);
});

test('a finished turn is announced to other tabs, by the key of its thread and without its texts', async () => {
  serve();
  const chat = await renderLoaded({ threadId: 't', userId: 'ada' });
  const { received } = otherTab();
  await chat.send('A secret');
  await vi.waitFor(() => {
    expect(received).toHaveLength(1);
  });
  expect(received[0]).toMatch(/ada.*"t"\]$/);
  expect(received[0]).not.toContain('secret');
});

test('a turn of another tab appears without a sign of loading', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const chat = await renderLoaded({ threadId: 't' });
  const own = otherTab();
  await chat.send('mine');
  await vi.waitFor(() => {
    expect(own.received).toHaveLength(1);
  });
  const renders = chat.renders.length;
  store(memory, 't', 't-9', 'theirs', 'answer');
  otherTab().channel.postMessage(own.received[0]);
  await chat.waitUntil(({ messages }) => messages.length === 6);
  expect(chat.texts.slice(4)).toEqual(['theirs', 'answer']);
  expect(chat.renders.slice(renders).map(({ historyStatus }) => historyStatus)).not.toContain('loading');
});

test('a hidden tab, another thread and an unmounted hook read nothing when another tab changes a thread', async () => {
  const memory = serve();
  const chat = await renderLoaded({ threadId: 't' });
  const { channel, received } = otherTab();
  await chat.send('mine');
  await vi.waitFor(() => {
    expect(received).toHaveLength(1);
  });
  const before = memory.reads.length;
  channel.postMessage('another');
  channel.postMessage({ not: 'a key' });
  const visibility = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  channel.postMessage(received[0]);
  await wait(50);
  visibility.mockRestore();
  chat.unmount();
  await wait(20);
  channel.postMessage(received[0]);
  await wait(50);
  expect(memory.reads).toHaveLength(before);
});

test.each([
  ['no channels', undefined],
  [
    'forbidden channels',
    function forbidden() {
      throw new DOMException('No.', 'SecurityError');
    },
  ],
])('a chat works in a browser with %s', async (_, channel) => {
  vi.stubGlobal('BroadcastChannel', channel);
  serve();
  const chat = await renderLoaded({ threadId: 't' });
  await chat.send('Hello');
  expect(chat.texts).toEqual(['Hello', 'You said: Hello']);
});
