import { useChat } from '@ai-sdk/react';
import { act, renderHook, waitFor } from '@testing-library/react';
import type { ChatTransport, UIMessage } from 'ai';
import { expect, expectTypeOf, test } from 'vitest';
import { HybridMemoryChatTransport, type HybridMemoryUIMessage } from '../src/ai-sdk.js';
import { API, problem, serve, tell } from './server.js';

function rendered(transport: HybridMemoryChatTransport, messages: HybridMemoryUIMessage[] = []) {
  return renderHook(() => useChat({ id: 't', transport, messages })).result;
}

function textsOf(messages: readonly UIMessage[]): string[] {
  return messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : part.type)));
}

test('it is what the AI SDK takes as a transport', () => {
  expectTypeOf<HybridMemoryChatTransport>().toExtend<ChatTransport<HybridMemoryUIMessage>>();
});

test('useChat talks to the thread of its id, and sends only what is new', async () => {
  const memory = serve();
  const transport = new HybridMemoryChatTransport({ baseUrl: API, userId: 'ada', request: { instructions: 'Brief.' } });
  const result = rendered(transport);
  await act(() => result.current.sendMessage({ text: 'one' }));
  await act(() => result.current.sendMessage({ text: 'two' }, { headers: { 'X-Trace': '1' } }));
  expect(textsOf(result.current.messages)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  const [first, second] = memory.runs;
  expect(first?.body).toEqual({
    instructions: 'Brief.',
    prompt: 'one',
    thread_id: 't',
    user_id: 'ada',
    exchange_id: first?.key,
  });
  expect(second?.body.prompt).toBe('two');
  expect(second?.headers.get('X-Trace')).toBe('1');
  expect(result.current.messages[1]?.metadata).toMatchObject({
    exchangeId: first?.key,
    context: { source: 'redis', durability: 'queue' },
  });
});

test('the history begins a chat', async () => {
  const memory = serve();
  tell(memory, 't', 3);
  const transport = new HybridMemoryChatTransport({ baseUrl: API, retries: 0 });
  const result = rendered(transport, await transport.history('t', { limit: 4 }));
  expect(textsOf(result.current.messages)).toEqual(['q1', 'a1', 'q2', 'a2']);
  expect(await transport.history('unknown')).toEqual([]);
});

test('metadata goes with the message, and comes back with the history', async () => {
  const memory = serve();
  const transport = new HybridMemoryChatTransport({ baseUrl: API, retries: 0 });
  const result = rendered(transport);
  await act(() => result.current.sendMessage({ text: 'one', metadata: { draft: 1 } }));
  expect(memory.runs[0]?.body.metadata).toEqual({ draft: 1 });
  const again = rendered(transport, await transport.history('t'));
  expect(again.current.messages[0]?.metadata).toEqual({ draft: 1, exchangeId: memory.runs[0]?.key });
  await act(() => again.current.regenerate());
  expect(memory.runs[1]?.body).toMatchObject({ metadata: { draft: 1 }, replaces: memory.runs[0]?.key });
});

test('a failure is an error with the words of the problem, and sending again cannot double the turn', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'The model failed.') : undefined) });
  const result = rendered(new HybridMemoryChatTransport({ baseUrl: API, retries: 0 }));
  await act(() => result.current.sendMessage({ text: 'one' }));
  await waitFor(() => {
    expect(result.current.error?.message).toBe('The model failed.');
  });
  await act(() => result.current.regenerate());
  expect(textsOf(result.current.messages)).toEqual(['one', 'You said: one']);
  expect(memory.runs.map(({ key }) => key)).toEqual([memory.runs[0]?.key, memory.runs[0]?.key]);
  await act(() => result.current.regenerate());
  expect(memory.runs[2]?.key).not.toBe(memory.runs[0]?.key);
});

test('a stopped turn is no error', async () => {
  const memory = serve({ run: () => new Promise(() => undefined) });
  const result = rendered(new HybridMemoryChatTransport({ baseUrl: API, retries: 0 }));
  act(() => void result.current.sendMessage({ text: 'one' }));
  await memory.arrived(1);
  await act(() => result.current.stop());
  await waitFor(() => {
    expect(result.current.status).toBe('ready');
  });
  expect(result.current.error).toBeUndefined();
});

test('what the memory cannot keep is refused, not dropped', async () => {
  const memory = serve();
  const result = rendered(new HybridMemoryChatTransport({ baseUrl: API, retries: 0 }));
  const picture = { type: 'file' as const, mediaType: 'image/png', url: 'data:image/png;base64,' };
  await act(() => result.current.sendMessage({ text: 'What is this?', files: [picture] }));
  expect(result.current.error?.message).toMatch(/also has file/);
  expect(memory.runs).toEqual([]);
});

test('there is nothing to reconnect to', async () => {
  expect(await new HybridMemoryChatTransport().reconnectToStream({ chatId: 't' })).toBeNull();
});
