import { useChat } from '@ai-sdk/react';
import { act, renderHook, waitFor } from '@testing-library/react';
import type { UIMessage } from 'ai';
import { expect, test } from 'vitest';
import { HybridMemoryChatTransport, type HybridMemoryUIMessage } from '../src/ai-sdk.js';
import { answerTo, API, deferred, problem, serve, store, storeExchanges, type FakeMemory } from './server.js';

function createTransport(options: Partial<ConstructorParameters<typeof HybridMemoryChatTransport>[0]> = {}) {
  return new HybridMemoryChatTransport({ baseUrl: API, retries: 0, ...options });
}

function renderUseChat(transport = createTransport(), messages: HybridMemoryUIMessage[] = []) {
  return renderHook(() => useChat({ id: 't', transport, messages })).result;
}

type RenderedChat = ReturnType<typeof renderUseChat>;

function textsOf(messages: readonly UIMessage[]): string[] {
  return messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : part.type)));
}

function storedIn(memory: FakeMemory): string[] {
  return (memory.threads.get('t') ?? []).map(({ content }) => content);
}

async function sendAll(chat: RenderedChat, ...texts: string[]): Promise<void> {
  for (const text of texts) await act(() => chat.current.sendMessage({ text }));
}

/** Checks that the stored messages equal the shown ones, and returns them. */
function expectShownIsStored(memory: FakeMemory, chat: RenderedChat): string[] {
  expect(storedIn(memory)).toEqual(textsOf(chat.current.messages));
  return storedIn(memory);
}

test('regenerate replaces the last turn', async () => {
  const memory = serve();
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two');
  await act(() => chat.current.regenerate());
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  const [, second, third] = memory.runs;
  expect(third?.body).toEqual({ prompt: 'two', thread_id: 't', replaces: second?.body.exchange_id });
  expect(third?.key).not.toBe(second?.key);
  await act(() => chat.current.regenerate());
  expect(memory.runs[3]?.body).toEqual(third?.body);
  expect(memory.runs[3]?.key).not.toBe(third?.key);
  expect(memory.deletions).toEqual([]);
});

test('regenerate of an earlier answer deletes the later turns', async () => {
  const memory = serve();
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two', 'three');
  const [first, second, third] = memory.runs.map(({ key }) => key);
  await act(() => chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
  expect(memory.runs[3]?.body.replaces).toBe(first);
  expect(memory.deletions).toEqual([third, second]);
  await sendAll(chat, 'four');
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one', 'four', 'You said: four']);
});

test('an edited message replaces its turn and deletes the later turns', async () => {
  const memory = serve();
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two', 'three');
  const messageId = chat.current.messages[2]?.id ?? '';
  await act(() => chat.current.sendMessage({ text: 'TWO', messageId }));
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one', 'TWO', 'You said: TWO']);
  expect(memory.runs[3]?.body).toEqual({ prompt: 'TWO', thread_id: 't', replaces: memory.runs[1]?.key });
  await act(() => chat.current.sendMessage({ text: 'ONE', messageId: chat.current.messages[0]?.id ?? '' }));
  expect(expectShownIsStored(memory, chat)).toEqual(['ONE', 'You said: ONE']);
});

test.each([
  ['regenerated', (chat: RenderedChat) => chat.current.regenerate({ messageId: 't-1:assistant' }), 'q1'],
  ['edited', (chat: RenderedChat) => chat.current.sendMessage({ text: 'edited', messageId: 't-1:user' }), 'edited'],
])('a message from the history can be %s', async (_, change, question) => {
  const memory = serve();
  storeExchanges(memory, 't', 4);
  const transport = createTransport();
  const chat = renderUseChat(transport, await transport.history('t', { limit: 6 }));
  await act(() => change(chat));
  expect(storedIn(memory)).toEqual(['q0', 'a0', question, `You said: ${question}`]);
  expect(textsOf(chat.current.messages)).toEqual([question, `You said: ${question}`]);
});

test('if a message’s id has changed, its exchange is found by the previous message', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 3);
  const transport = createTransport();
  const messages = await transport.history('t');
  const chat = renderUseChat(
    transport,
    messages.map((message, n) => ({ ...message, id: String(n) })),
  );
  await act(() => chat.current.sendMessage({ text: 'edited', messageId: '2' }));
  expect(expectShownIsStored(memory, chat)).toEqual(['q0', 'a0', 'edited', 'You said: edited']);
});

test('a turn of another browser tab is not deleted', async () => {
  const memory = serve();
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two');
  store(memory, 't', 'elsewhere', 'theirs', 'answered');
  await act(() => chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'theirs', 'answered']);
});

test('two chats of one transport in one thread do not delete each other’s turns', async () => {
  const memory = serve();
  const transport = createTransport();
  const [one, other] = [renderUseChat(transport), renderUseChat(transport)];
  await sendAll(one, 'one');
  await sendAll(other, 'two');
  await sendAll(one, 'three');
  expect(storedIn(memory).filter((_, n) => n % 2 === 0)).toEqual(['one', 'two', 'three']);
  expect(memory.deletions).toEqual([]);
  expect(memory.runs.every(({ body }) => body.replaces === undefined)).toBe(true);
});

/** Returns the messages as an app restores them after a reload. */
function copiedMessages(chat: RenderedChat): HybridMemoryUIMessage[] {
  return JSON.parse(JSON.stringify(chat.current.messages)) as HybridMemoryUIMessage[];
}

test.each([
  ['the last answer', 5, ['one', 'You said: one', 'two', 'You said: two', 'three', 'You said: three']],
  ['an earlier answer', 3, ['one', 'You said: one', 'two', 'You said: two']],
  ['the first answer', 1, ['one', 'You said: one']],
])('regenerate works after a reload with messages that the app stored: %s', async (_, index, remaining) => {
  const memory = serve();
  const before = renderUseChat();
  await sendAll(before, 'one', 'two', 'three');
  const chat = renderUseChat(createTransport(), copiedMessages(before));
  await act(() => chat.current.regenerate({ messageId: chat.current.messages[index]?.id ?? '' }));
  expect(expectShownIsStored(memory, chat)).toEqual(remaining);
  expect(memory.runs[3]?.body.replaces).toBe(memory.runs[(index - 1) / 2]?.key);
});

test('editing works after a reload with messages that the app stored', async () => {
  const memory = serve();
  const before = renderUseChat();
  await sendAll(before, 'one', 'two', 'three');
  const chat = renderUseChat(createTransport(), copiedMessages(before));
  await act(() => chat.current.sendMessage({ text: 'TWO', messageId: chat.current.messages[2]?.id ?? '' }));
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one', 'TWO', 'You said: TWO']);
});

test('an unanswered message is stored once when it is sent again after a reload', async () => {
  const memory = serve({ run: (_, count) => (count === 2 ? problem(502, 'The model failed.') : undefined) });
  const before = renderUseChat();
  await sendAll(before, 'one', 'two');
  expect(before.current.error?.message).toBe('The model failed.');
  const chat = renderUseChat(createTransport(), copiedMessages(before));
  await act(() => chat.current.regenerate());
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
});

test('regenerate fails without a request if the position of the message is unknown', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 3);
  const part = (text: string) => [{ type: 'text' as const, text }];
  const messages: HybridMemoryUIMessage[] = [
    { id: '1', role: 'user', parts: part('q1') },
    { id: '2', role: 'assistant', parts: part('a1') },
    { id: '3', role: 'user', parts: part('q2') },
    { id: '4', role: 'assistant', parts: part('a2') },
  ];
  const chat = renderUseChat(createTransport(), messages);
  await act(() => chat.current.regenerate());
  await waitFor(() => {
    expect(chat.current.error?.message).toMatch(/Nothing was sent/);
  });
  expect(memory.runs).toEqual([]);
  expect(storedIn(memory)).toHaveLength(6);
});

test('a failure of the model does not change the thread, and a retry sends the same request', async () => {
  const memory = serve({ run: (_, count) => (count === 3 ? problem(502, 'The model failed.') : undefined) });
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two');
  await act(() => chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
  expect(chat.current.error?.message).toBe('The model failed.');
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  expect(memory.deletions).toEqual([]);
  await act(() => chat.current.regenerate());
  expect(memory.runs[3]).toMatchObject({ key: memory.runs[2]?.key, body: memory.runs[2]?.body });
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
});

test('a retry after a failed deletion deletes the remaining turns and runs no turn', async () => {
  const memory = serve({ delete: (_, count) => (count === 2 ? problem(503, 'postgres did not answer.') : undefined) });
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two', 'three');
  await act(() => chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
  expect(chat.current.error?.message).toBe(
    'The new answer is stored, but one later message could not be deleted. Try again to finish it. postgres did not answer.',
  );
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  await act(() => chat.current.regenerate());
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
  expect(memory.runs[4]?.key).toBe(memory.runs[3]?.key);
});

test('the next turn first deletes the turns that remain after a failed deletion', async () => {
  let isAway = true;
  const memory = serve({ delete: () => (isAway ? problem(503, 'postgres did not answer.') : undefined) });
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two', 'three');
  await act(() => chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
  await sendAll(chat, 'four');
  expect(chat.current.error?.message).toMatch(/^Nothing was sent, but 2 later messages could not be deleted/);
  expect(memory.runs).toHaveLength(4);
  isAway = false;
  await sendAll(chat, 'five');
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'five', 'You said: five']);
});

test('a turn that another browser tab deleted is sent as a new turn', async () => {
  const memory = serve();
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two');
  memory.threads.set('t', (memory.threads.get('t') ?? []).slice(0, 2));
  await act(() => chat.current.regenerate());
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  expect(memory.runs[3]?.body.exchange_id).not.toBe(memory.runs[1]?.key);
  await act(() => chat.current.regenerate());
  expect(memory.runs[4]?.body.replaces).toBe(memory.runs[3]?.body.exchange_id);
});

test('an answer that no store accepted is an error, and a retry stores it', async () => {
  const memory = serve({
    run: ({ body }, count) => (count === 3 ? Response.json(answerTo(body, { durability: 'none' })) : undefined),
  });
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two');
  await act(() => chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
  expect(chat.current.error?.message).toMatch(/Nothing has changed/);
  expect(storedIn(memory)).toHaveLength(4);
  await act(() => chat.current.regenerate());
  expect(memory.runs[3]?.key).toBe(memory.runs[2]?.key);
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
});

test('a request whose exchange was deleted is sent again as a new request', async () => {
  const memory = serve({
    run: (_, count) =>
      count === 1
        ? problem(504, 'No answer in time.')
        : count === 2
          ? problem(422, 'The exchange of this Idempotency-Key was deleted.')
          : undefined,
  });
  const chat = renderUseChat();
  await sendAll(chat, 'one');
  await act(() => chat.current.regenerate());
  expect(chat.current.error?.message).toMatch(/was deleted/);
  await act(() => chat.current.regenerate());
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
});

test('after a lost response, the same message with another body is a new request that replaces the same turn', async () => {
  const memory = serve();
  let isLost = true;
  const chat = renderUseChat(
    createTransport({
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (isLost) throw new TypeError('Failed to fetch');
        return response;
      },
    }),
  );
  await sendAll(chat, 'one');
  await act(() => chat.current.regenerate({ body: { instructions: 'Brief.' } }));
  isLost = false;
  await act(() => chat.current.regenerate({ body: { instructions: 'Long.', tools: ['b', 'a'] } }));
  expect(chat.current.error).toBeUndefined();
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(3);
});

test('after a stop, the same message with another body is a new request, even if the first request never arrived', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? deferred<Response>().promise : undefined) });
  const chat = renderUseChat();
  act(() => void chat.current.sendMessage({ text: 'one' }));
  await memory.waitForRuns(1);
  await act(() => chat.current.stop());
  await act(() => chat.current.regenerate({ body: { instructions: 'Brief.' } }));
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
  const [first, replacing, second] = memory.runs;
  expect(replacing?.body.replaces).toBe(first?.key);
  // If the first request arrives later, it stores the same exchange.
  expect(second?.body).toMatchObject({ exchange_id: first?.key, instructions: 'Brief.' });
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(3);
});

test('a repeated request counts as the same request if only the order of its fields has changed', async () => {
  const memory = serve({ run: (_, count) => (count < 3 ? problem(502, 'no') : undefined) });
  const chat = renderUseChat();
  await act(() => chat.current.sendMessage({ text: 'one' }, { body: { instructions: 'x', tools: ['a'] } }));
  await act(() => chat.current.regenerate({ body: { tools: ['a'], instructions: 'x' } }));
  await act(() => chat.current.regenerate({ body: { tools: ['a'], instructions: 'x' } }));
  expect(new Set(memory.runs.map(({ key, body }) => JSON.stringify([key, body.exchange_id]))).size).toBe(1);
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
});

test('a retry of a failed turn deletes the later turns', async () => {
  const memory = serve({ run: (_, count) => (count === 2 ? problem(502, 'no') : undefined) });
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two', 'three');
  const failed = chat.current.messages.find(({ parts }) => JSON.stringify(parts).includes('two'));
  await act(() => chat.current.regenerate({ messageId: failed?.id ?? '' }));
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  expect(memory.deletions).toEqual([memory.runs[2]?.key]);
});

test('a stop during the deletion of later turns is reported, and a retry finishes the deletion', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ delete: () => promise });
  const chat = renderUseChat();
  await sendAll(chat, 'one', 'two');
  act(() => void chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
  await waitFor(() => {
    expect(memory.deletions).toHaveLength(1);
  });
  await act(() => chat.current.stop());
  resolve(undefined);
  await act(() => chat.current.regenerate());
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
  expect(memory.runs[3]?.key).toBe(memory.runs[2]?.key);
});

test('an id that the server rejects is replaced', async () => {
  const errors = [{ field: 'exchange_id', in: 'body', detail: 'is from the future' }];
  const refusal = Response.json(
    { title: 'No', status: 422, detail: 'exchange_id: is from the future', errors },
    { status: 422 },
  );
  refusal.headers.set('Content-Type', 'application/problem+json');
  const memory = serve({ run: (_, count) => (count === 1 ? refusal : undefined) });
  const chat = renderUseChat();
  await sendAll(chat, 'one');
  expect(expectShownIsStored(memory, chat)).toEqual(['one', 'You said: one']);
  expect(memory.runs[0]?.key).toMatch(/^.{14}7/);
  expect(memory.runs[1]?.key).toMatch(/^.{14}4/);
  expect(chat.current.messages[1]?.metadata?.exchangeId).toBe(memory.runs[1]?.key);
});

test('a temporary id of assistant-ui is an error without the option threadId', async () => {
  const memory = serve();
  const send = (transport: HybridMemoryChatTransport) =>
    transport.sendMessages({
      trigger: 'submit-message',
      chatId: '__LOCALID_abc',
      messageId: undefined,
      messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text: 'one' }] }],
      abortSignal: undefined,
    });
  await expect(send(createTransport())).rejects.toThrow(/`threadId`/);
  await send(createTransport({ threadId: 't' }));
  await send(createTransport({ threadId: (chatId) => chatId.replace('__LOCALID_', '') }));
  expect(memory.runs.map(({ body }) => body.thread_id)).toEqual(['t', 'abc']);
});

test('toCreateMessage adds the exchange id to an edited message and rejects parts that are not text', async () => {
  const memory = serve();
  const transport = createTransport();
  const chat = renderUseChat(transport);
  await sendAll(chat, 'one', 'two');
  const content = [{ type: 'text', text: 'ONE' }];
  const metadata = { custom: { draft: 1 } };
  expect(transport.toCreateMessage({ content, sourceId: null, metadata })).toEqual({
    role: 'user',
    parts: content,
    metadata: { draft: 1 },
  });
  const edited = transport.toCreateMessage({ content, sourceId: chat.current.messages[0]?.id ?? '', metadata });
  expect(edited.metadata).toEqual({ draft: 1, exchangeId: memory.runs[0]?.key });
  act(() => {
    chat.current.setMessages([]);
  });
  await act(() => chat.current.sendMessage(edited));
  expect(expectShownIsStored(memory, chat)).toEqual(['ONE', 'You said: ONE']);
  expect(() => transport.toCreateMessage({ content: [{ type: 'image' }], sourceId: null })).toThrow(/also has image/);
  expect(() => transport.toCreateMessage({ content, attachments: [{}], sourceId: null })).toThrow(/attachments/);
});
