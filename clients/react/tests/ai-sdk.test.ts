import { useChat } from '@ai-sdk/react';
import { act, renderHook, waitFor } from '@testing-library/react';
import type { ChatTransport, UIMessage } from 'ai';
import { expect, expectTypeOf, test } from 'vitest';
import { HybridMemoryChatTransport, type HybridMemoryUIMessage } from '../src/ai-sdk.js';
import { API, problem, serve, storeExchanges } from './server.js';

function renderUseChat(transport: HybridMemoryChatTransport, messages: HybridMemoryUIMessage[] = []) {
  return renderHook(() => useChat({ id: 't', transport, messages })).result;
}

function textsOf(messages: readonly UIMessage[]): string[] {
  return messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : part.type)));
}

test('the class implements ChatTransport', () => {
  expectTypeOf<HybridMemoryChatTransport>().toExtend<ChatTransport<HybridMemoryUIMessage>>();
});

test('useChat uses the thread with its id and sends only the newest message', async () => {
  const memory = serve();
  const transport = new HybridMemoryChatTransport({ baseUrl: API, userId: 'ada', request: { instructions: 'Brief.' } });
  const result = renderUseChat(transport);
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

test('a chat can start with the history', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 3);
  const transport = new HybridMemoryChatTransport({ baseUrl: API, retries: 0 });
  const result = renderUseChat(transport, await transport.history('t', { limit: 4 }));
  expect(textsOf(result.current.messages)).toEqual(['q1', 'a1', 'q2', 'a2']);
  expect(await transport.history('unknown')).toEqual([]);
});

test('metadata is sent with the message and returned with the history', async () => {
  const memory = serve();
  const transport = new HybridMemoryChatTransport({ baseUrl: API, retries: 0 });
  const result = renderUseChat(transport);
  await act(() => result.current.sendMessage({ text: 'one', metadata: { draft: 1 } }));
  expect(memory.runs[0]?.body.metadata).toEqual({ draft: 1 });
  const again = renderUseChat(transport, await transport.history('t'));
  expect(again.current.messages[0]?.metadata).toEqual({ draft: 1, exchangeId: memory.runs[0]?.key });
  await act(() => again.current.regenerate());
  expect(memory.runs[1]?.body).toMatchObject({ metadata: { draft: 1 }, replaces: memory.runs[0]?.key });
});

test('a failure is an error with the problem’s detail, and a retry runs the turn once', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'The model failed.') : undefined) });
  const result = renderUseChat(new HybridMemoryChatTransport({ baseUrl: API, retries: 0 }));
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

test('a stopped turn is not an error', async () => {
  const memory = serve({ run: () => new Promise(() => undefined) });
  const result = renderUseChat(new HybridMemoryChatTransport({ baseUrl: API, retries: 0 }));
  act(() => void result.current.sendMessage({ text: 'one' }));
  await memory.waitForRuns(1);
  await act(() => result.current.stop());
  await waitFor(() => {
    expect(result.current.status).toBe('ready');
  });
  expect(result.current.error).toBeUndefined();
});

test('a message with parts that are not text is an error', async () => {
  const memory = serve();
  const result = renderUseChat(new HybridMemoryChatTransport({ baseUrl: API, retries: 0 }));
  const picture = { type: 'file' as const, mediaType: 'image/png', url: 'data:image/png;base64,' };
  await act(() => result.current.sendMessage({ text: 'What is this?', files: [picture] }));
  expect(result.current.error?.message).toMatch(/also has file/);
  expect(memory.runs).toEqual([]);
});

test('reconnectToStream resolves with null', async () => {
  expect(await new HybridMemoryChatTransport().reconnectToStream({ chatId: 't' })).toBeNull();
});
