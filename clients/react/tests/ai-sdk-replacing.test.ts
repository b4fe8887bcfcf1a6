import { useChat } from '@ai-sdk/react';
import { act, renderHook, waitFor } from '@testing-library/react';
import type { UIMessage } from 'ai';
import { expect, test } from 'vitest';
import { HybridMemoryChatTransport, type HybridMemoryUIMessage } from '../src/ai-sdk.js';
import { answerTo, API, gate, problem, serve, store, tell, type Memory } from './server.js';

function transportTo(options: Partial<ConstructorParameters<typeof HybridMemoryChatTransport>[0]> = {}) {
  return new HybridMemoryChatTransport({ baseUrl: API, retries: 0, ...options });
}

function rendered(transport = transportTo(), messages: HybridMemoryUIMessage[] = []) {
  return renderHook(() => useChat({ id: 't', transport, messages })).result;
}

type Shown = ReturnType<typeof rendered>;

function textsOf(messages: readonly UIMessage[]): string[] {
  return messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : part.type)));
}

function storedIn(memory: Memory): string[] {
  return (memory.threads.get('t') ?? []).map(({ content }) => content);
}

async function says(shown: Shown, ...texts: string[]): Promise<void> {
  for (const text of texts) await act(() => shown.current.sendMessage({ text }));
}

/** What is stored has to be what is shown. */
function agree(memory: Memory, shown: Shown): string[] {
  expect(storedIn(memory)).toEqual(textsOf(shown.current.messages));
  return storedIn(memory);
}

test('regenerate replaces the last answer: one turn, and the question is stored once', async () => {
  const memory = serve();
  const shown = rendered();
  await says(shown, 'one', 'two');
  await act(() => shown.current.regenerate());
  expect(agree(memory, shown)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  const [, second, third] = memory.runs;
  expect(third?.body).toEqual({ prompt: 'two', thread_id: 't', replaces: second?.body.exchange_id });
  expect(third?.key).not.toBe(second?.key);
  await act(() => shown.current.regenerate());
  expect(memory.runs[3]?.body).toEqual(third?.body);
  expect(memory.runs[3]?.key).not.toBe(third?.key);
  expect(memory.deletions).toEqual([]);
});

test('regenerate of an earlier answer deletes what was said after it', async () => {
  const memory = serve();
  const shown = rendered();
  await says(shown, 'one', 'two', 'three');
  const [first, second, third] = memory.runs.map(({ key }) => key);
  await act(() => shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
  expect(memory.runs[3]?.body.replaces).toBe(first);
  expect(memory.deletions).toEqual([third, second]);
  await says(shown, 'four');
  expect(agree(memory, shown)).toEqual(['one', 'You said: one', 'four', 'You said: four']);
});

test('an edited message replaces its turn and deletes what was said after it', async () => {
  const memory = serve();
  const shown = rendered();
  await says(shown, 'one', 'two', 'three');
  const messageId = shown.current.messages[2]?.id ?? '';
  await act(() => shown.current.sendMessage({ text: 'TWO', messageId }));
  expect(agree(memory, shown)).toEqual(['one', 'You said: one', 'TWO', 'You said: TWO']);
  expect(memory.runs[3]?.body).toEqual({ prompt: 'TWO', thread_id: 't', replaces: memory.runs[1]?.key });
  await act(() => shown.current.sendMessage({ text: 'ONE', messageId: shown.current.messages[0]?.id ?? '' }));
  expect(agree(memory, shown)).toEqual(['ONE', 'You said: ONE']);
});

test.each([
  ['regenerated', (shown: Shown) => shown.current.regenerate({ messageId: 't-1:assistant' }), 'q1'],
  ['edited', (shown: Shown) => shown.current.sendMessage({ text: 'edited', messageId: 't-1:user' }), 'edited'],
])('a message of the history is %s', async (_, change, question) => {
  const memory = serve();
  tell(memory, 't', 4);
  const transport = transportTo();
  const shown = rendered(transport, await transport.history('t', { limit: 6 }));
  await act(() => change(shown));
  expect(storedIn(memory)).toEqual(['q0', 'a0', question, `You said: ${question}`]);
  expect(textsOf(shown.current.messages)).toEqual([question, `You said: ${question}`]);
});

test('a message whose id the app changed is found by the one before it', async () => {
  const memory = serve();
  tell(memory, 't', 3);
  const transport = transportTo();
  const messages = await transport.history('t');
  const shown = rendered(
    transport,
    messages.map((message, n) => ({ ...message, id: String(n) })),
  );
  await act(() => shown.current.sendMessage({ text: 'edited', messageId: '2' }));
  expect(agree(memory, shown)).toEqual(['q0', 'a0', 'edited', 'You said: edited']);
});

test('what another page said meanwhile is not deleted', async () => {
  const memory = serve();
  const shown = rendered();
  await says(shown, 'one', 'two');
  store(memory, 't', 'elsewhere', 'theirs', 'answered');
  await act(() => shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'theirs', 'answered']);
});

test('two chats of one transport in one thread do not take each other for something to delete', async () => {
  const memory = serve();
  const transport = transportTo();
  const [one, other] = [rendered(transport), rendered(transport)];
  await says(one, 'one');
  await says(other, 'two');
  await says(one, 'three');
  expect(storedIn(memory).filter((_, n) => n % 2 === 0)).toEqual(['one', 'two', 'three']);
  expect(memory.deletions).toEqual([]);
  expect(memory.runs.every(({ body }) => body.replaces === undefined)).toBe(true);
});

/** As an app that keeps the messages itself has them after a reload. */
function kept(shown: Shown): HybridMemoryUIMessage[] {
  return JSON.parse(JSON.stringify(shown.current.messages)) as HybridMemoryUIMessage[];
}

test.each([
  ['the last answer', 5, ['one', 'You said: one', 'two', 'You said: two', 'three', 'You said: three']],
  ['an earlier answer', 3, ['one', 'You said: one', 'two', 'You said: two']],
  ['the first answer', 1, ['one', 'You said: one']],
])('messages that the app kept itself, after a reload: %s', async (_, index, left) => {
  const memory = serve();
  const before = rendered();
  await says(before, 'one', 'two', 'three');
  const shown = rendered(transportTo(), kept(before));
  await act(() => shown.current.regenerate({ messageId: shown.current.messages[index]?.id ?? '' }));
  expect(agree(memory, shown)).toEqual(left);
  expect(memory.runs[3]?.body.replaces).toBe(memory.runs[(index - 1) / 2]?.key);
});

test('a message that the app kept itself is edited after a reload', async () => {
  const memory = serve();
  const before = rendered();
  await says(before, 'one', 'two', 'three');
  const shown = rendered(transportTo(), kept(before));
  await act(() => shown.current.sendMessage({ text: 'TWO', messageId: shown.current.messages[2]?.id ?? '' }));
  expect(agree(memory, shown)).toEqual(['one', 'You said: one', 'TWO', 'You said: TWO']);
});

test('a message that was never answered is asked once, also after a reload', async () => {
  const memory = serve({ run: (_, count) => (count === 2 ? problem(502, 'The model failed.') : undefined) });
  const before = rendered();
  await says(before, 'one', 'two');
  expect(before.current.error?.message).toBe('The model failed.');
  const shown = rendered(transportTo(), kept(before));
  await act(() => shown.current.regenerate());
  expect(agree(memory, shown)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
});

test('a message whose place nobody knows is refused, and nothing is sent', async () => {
  const memory = serve();
  tell(memory, 't', 3);
  const part = (text: string) => [{ type: 'text' as const, text }];
  const messages: HybridMemoryUIMessage[] = [
    { id: '1', role: 'user', parts: part('q1') },
    { id: '2', role: 'assistant', parts: part('a1') },
    { id: '3', role: 'user', parts: part('q2') },
    { id: '4', role: 'assistant', parts: part('a2') },
  ];
  const shown = rendered(transportTo(), messages);
  await act(() => shown.current.regenerate());
  await waitFor(() => {
    expect(shown.current.error?.message).toMatch(/Nothing was sent/);
  });
  expect(memory.runs).toEqual([]);
  expect(storedIn(memory)).toHaveLength(6);
});

test('a model that fails leaves the thread as it was, and trying again is the same request', async () => {
  const memory = serve({ run: (_, count) => (count === 3 ? problem(502, 'The model failed.') : undefined) });
  const shown = rendered();
  await says(shown, 'one', 'two');
  await act(() => shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
  expect(shown.current.error?.message).toBe('The model failed.');
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  expect(memory.deletions).toEqual([]);
  await act(() => shown.current.regenerate());
  expect(memory.runs[3]).toMatchObject({ key: memory.runs[2]?.key, body: memory.runs[2]?.body });
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
});

test('a deletion that fails half way says so, and trying again finishes it without another turn', async () => {
  const memory = serve({ delete: (_, count) => (count === 2 ? problem(503, 'postgres did not answer.') : undefined) });
  const shown = rendered();
  await says(shown, 'one', 'two', 'three');
  await act(() => shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
  expect(shown.current.error?.message).toBe(
    'The new answer is stored, but one later message could not be deleted. Try again to finish it. postgres did not answer.',
  );
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  await act(() => shown.current.regenerate());
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
  expect(memory.runs[4]?.key).toBe(memory.runs[3]?.key);
});

test('what a failed deletion left is gone before the next turn sees it', async () => {
  let isAway = true;
  const memory = serve({ delete: () => (isAway ? problem(503, 'postgres did not answer.') : undefined) });
  const shown = rendered();
  await says(shown, 'one', 'two', 'three');
  await act(() => shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
  await says(shown, 'four');
  expect(shown.current.error?.message).toMatch(/^Nothing was sent, but 2 later messages could not be deleted/);
  expect(memory.runs).toHaveLength(4);
  isAway = false;
  await says(shown, 'five');
  expect(storedIn(memory)).toEqual(['one', 'You said: one', 'five', 'You said: five']);
});

test('a turn that was deleted elsewhere is not replaced but said anew', async () => {
  const memory = serve();
  const shown = rendered();
  await says(shown, 'one', 'two');
  memory.threads.set('t', (memory.threads.get('t') ?? []).slice(0, 2));
  await act(() => shown.current.regenerate());
  expect(agree(memory, shown)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  expect(memory.runs[3]?.body.exchange_id).not.toBe(memory.runs[1]?.key);
  await act(() => shown.current.regenerate());
  expect(memory.runs[4]?.body.replaces).toBe(memory.runs[3]?.body.exchange_id);
});

test('a new answer that no store took changes nothing, says so, and is kept by trying again', async () => {
  const memory = serve({
    run: ({ body }, count) => (count === 3 ? Response.json(answerTo(body, { durability: 'none' })) : undefined),
  });
  const shown = rendered();
  await says(shown, 'one', 'two');
  await act(() => shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
  expect(shown.current.error?.message).toMatch(/Nothing has changed/);
  expect(storedIn(memory)).toHaveLength(4);
  await act(() => shown.current.regenerate());
  expect(memory.runs[3]?.key).toBe(memory.runs[2]?.key);
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
});

test('a request whose answer was deleted since is not repeated for ever', async () => {
  const memory = serve({
    run: (_, count) =>
      count === 1
        ? problem(504, 'No answer in time.')
        : count === 2
          ? problem(422, 'The exchange of this Idempotency-Key was deleted.')
          : undefined,
  });
  const shown = rendered();
  await says(shown, 'one');
  await act(() => shown.current.regenerate());
  expect(shown.current.error?.message).toMatch(/was deleted/);
  await act(() => shown.current.regenerate());
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
});

test('after a lost answer, the same message with another body is another request, and one turn', async () => {
  const memory = serve();
  let isLost = true;
  const shown = rendered(
    transportTo({
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (isLost) throw new TypeError('Failed to fetch');
        return response;
      },
    }),
  );
  await says(shown, 'one');
  await act(() => shown.current.regenerate({ body: { instructions: 'Brief.' } }));
  isLost = false;
  await act(() => shown.current.regenerate({ body: { instructions: 'Long.', tools: ['b', 'a'] } }));
  expect(shown.current.error).toBeUndefined();
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(3);
});

test('after a stop, the same message with another body is another request, also if the first never arrived', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? gate<Response>().opened : undefined) });
  const shown = rendered();
  act(() => void shown.current.sendMessage({ text: 'one' }));
  await memory.arrived(1);
  await act(() => shown.current.stop());
  await act(() => shown.current.regenerate({ body: { instructions: 'Brief.' } }));
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
  const [first, replacing, second] = memory.runs;
  expect(replacing?.body.replaces).toBe(first?.key);
  // Should the first one arrive after all, it is the same exchange.
  expect(second?.body).toMatchObject({ exchange_id: first?.key, instructions: 'Brief.' });
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(3);
});

test('the same request repeated is the same, whatever the order of its fields', async () => {
  const memory = serve({ run: (_, count) => (count < 3 ? problem(502, 'no') : undefined) });
  const shown = rendered();
  await act(() => shown.current.sendMessage({ text: 'one' }, { body: { instructions: 'x', tools: ['a'] } }));
  await act(() => shown.current.regenerate({ body: { tools: ['a'], instructions: 'x' } }));
  await act(() => shown.current.regenerate({ body: { tools: ['a'], instructions: 'x' } }));
  expect(new Set(memory.runs.map(({ key, body }) => JSON.stringify([key, body.exchange_id]))).size).toBe(1);
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
});

test('a turn that failed in the middle is asked without what came after it', async () => {
  const memory = serve({ run: (_, count) => (count === 2 ? problem(502, 'no') : undefined) });
  const shown = rendered();
  await says(shown, 'one', 'two', 'three');
  const failed = shown.current.messages.find(({ parts }) => JSON.stringify(parts).includes('two'));
  await act(() => shown.current.regenerate({ messageId: failed?.id ?? '' }));
  expect(agree(memory, shown)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  expect(memory.deletions).toEqual([memory.runs[2]?.key]);
});

test('a stop while later messages are deleted is a stop, and can be finished', async () => {
  const { opened, open } = gate();
  const memory = serve({ delete: () => opened });
  const shown = rendered();
  await says(shown, 'one', 'two');
  act(() => void shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
  await waitFor(() => {
    expect(memory.deletions).toHaveLength(1);
  });
  await act(() => shown.current.stop());
  open(undefined);
  await act(() => shown.current.regenerate());
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
  expect(memory.runs[3]?.key).toBe(memory.runs[2]?.key);
});

test('an id that is refused as one from the future is replaced', async () => {
  const errors = [{ field: 'exchange_id', in: 'body', detail: 'is from the future' }];
  const refusal = Response.json(
    { title: 'No', status: 422, detail: 'exchange_id: is from the future', errors },
    { status: 422 },
  );
  refusal.headers.set('Content-Type', 'application/problem+json');
  const memory = serve({ run: (_, count) => (count === 1 ? refusal : undefined) });
  const shown = rendered();
  await says(shown, 'one');
  expect(agree(memory, shown)).toEqual(['one', 'You said: one']);
  expect(memory.runs[0]?.key).toMatch(/^.{14}7/);
  expect(memory.runs[1]?.key).toMatch(/^.{14}4/);
  expect(shown.current.messages[1]?.metadata?.exchangeId).toBe(memory.runs[1]?.key);
});

test("a passing id of assistant-ui's is refused, unless the transport is told the thread", async () => {
  const memory = serve();
  const send = (transport: HybridMemoryChatTransport) =>
    transport.sendMessages({
      trigger: 'submit-message',
      chatId: '__LOCALID_abc',
      messageId: undefined,
      messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text: 'one' }] }],
      abortSignal: undefined,
    });
  await expect(send(transportTo())).rejects.toThrow(/`threadId`/);
  await send(transportTo({ threadId: 't' }));
  await send(transportTo({ threadId: (chatId) => chatId.replace('__LOCALID_', '') }));
  expect(memory.runs.map(({ body }) => body.thread_id)).toEqual(['t', 'abc']);
});

test("assistant-ui's messages: an edited one names what it replaces, and more than text is refused", async () => {
  const memory = serve();
  const transport = transportTo();
  const shown = rendered(transport);
  await says(shown, 'one', 'two');
  const content = [{ type: 'text', text: 'ONE' }];
  const metadata = { custom: { draft: 1 } };
  expect(transport.toCreateMessage({ content, sourceId: null, metadata })).toEqual({
    role: 'user',
    parts: content,
    metadata: { draft: 1 },
  });
  const edited = transport.toCreateMessage({ content, sourceId: shown.current.messages[0]?.id ?? '', metadata });
  expect(edited.metadata).toEqual({ draft: 1, exchangeId: memory.runs[0]?.key });
  act(() => {
    shown.current.setMessages([]);
  });
  await act(() => shown.current.sendMessage(edited));
  expect(agree(memory, shown)).toEqual(['ONE', 'You said: ONE']);
  expect(() => transport.toCreateMessage({ content: [{ type: 'image' }], sourceId: null })).toThrow(/also has image/);
  expect(() => transport.toCreateMessage({ content, attachments: [{}], sourceId: null })).toThrow(/attachments/);
});
