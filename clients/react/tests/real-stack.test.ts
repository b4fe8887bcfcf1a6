import { useChat } from '@ai-sdk/react';
import { act, renderHook } from '@testing-library/react';
import { request } from 'node:http';
import { generateText, type UIMessage } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { expect, test } from 'vitest';
import { UIMessageStore, withMemory } from '../src/ai-sdk-server.js';
import { HybridMemoryChatTransport } from '../src/ai-sdk.js';
import { search } from '../src/index.js';
import { renderChat } from './render-chat.js';
import { server } from './server.js';

/** The `api_url` of a running stack, for example of `make run`. Without it the test is skipped. */
const api = process.env['API_URL'];

/** A fetch without CORS. The DOM of the tests enforces CORS as a browser does. */
const fetchWithoutDom: typeof fetch = (input, init) =>
  new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(init?.headers));
    const clientRequest = request(input as string, { method: init?.method ?? 'GET', headers }, (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        const { statusCode: status = 0, headers: responseHeaders } = incoming;
        const body = status === 204 ? null : Buffer.concat(parts);
        resolve(new Response(body, { status, headers: responseHeaders as Record<string, string> }));
      });
    });
    clientRequest.on('error', reject);
    if (typeof init?.body === 'string') clientRequest.write(init.body);
    clientRequest.end();
  });

test.skipIf(api === undefined)(
  'the service replaces turns and deletes later turns',
  async () => {
    server.close();
    const options = { baseUrl: api, userId: 'ada', fetch: fetchWithoutDom };
    const threadId = `react-${String(Date.now())}`;
    const transport = new HybridMemoryChatTransport(options);
    const chat = renderHook(() => useChat({ id: threadId, transport })).result;
    const textsOf = (messages: typeof chat.current.messages): string[] =>
      messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : '')));
    const expectShownIsStored = async (count: number): Promise<void> => {
      expect(chat.current.error).toBeUndefined();
      const stored = await new HybridMemoryChatTransport(options).history(threadId);
      expect(textsOf(stored)).toEqual(textsOf(chat.current.messages));
      expect(stored).toHaveLength(count);
    };
    for (const text of ['one', 'two', 'three']) await act(() => chat.current.sendMessage({ text }));
    await expectShownIsStored(6);
    await act(() => chat.current.regenerate());
    await expectShownIsStored(6);
    await act(() => chat.current.sendMessage({ text: 'TWO', messageId: chat.current.messages[2]?.id ?? '' }));
    await expectShownIsStored(4);
    await act(() => chat.current.regenerate({ messageId: chat.current.messages[1]?.id ?? '' }));
    await expectShownIsStored(2);
    // The offline agent lists the messages that it was given.
    expect(textsOf(chat.current.messages)[1]).toMatch(/no earlier messages/);
    const hook = renderChat({ ...options, threadId });
    await hook.waitUntil(({ messages }) => messages.length === 2);
    expect((await hook.send('four'))?.context).toMatchObject({ durability: 'queue', cached: true });
    const found = await search('four', { ...options, threadId });
    expect(found.items.map(({ userMessage }) => userMessage)).toContain('four');
    expect(found.isComplete).toBe(true);
  },
  60_000,
);

test.skipIf(api === undefined)(
  'the service stores the turns of a wrapped model, and UI messages with all their parts',
  async () => {
    server.close();
    const options = { baseUrl: api, userId: `ada-${String(Date.now())}`, fetch: fetchWithoutDom };
    const threadId = `server-${String(Date.now())}`;
    const ask = async (prompt: string, answer: string, replaces?: string): Promise<[string, string | null]> => {
      const model = new MockLanguageModelV3({
        doGenerate: {
          content: [{ type: 'text', text: answer }],
          finishReason: { unified: 'stop', raw: 'stop' },
          usage: {
            inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
            outputTokens: { total: 1, text: 1, reasoning: 0 },
          },
          warnings: [],
        },
      });
      let exchangeId: string | null = null;
      const onStored = (stored: { exchange_id: string | null }): void => {
        exchangeId = stored.exchange_id;
      };
      await generateText({ model: withMemory(model, { ...options, threadId, replaces, onStored }), prompt });
      const [first] = model.doGenerateCalls[0]?.prompt ?? [];
      return [first?.role === 'system' ? first.content : '', exchangeId];
    };
    expect((await ask('one', 'A1'))[0]).toBe('');
    const [context, second] = await ask('two', 'A2');
    expect(context).toBe('Previous conversation:\nuser: one\nassistant: A1');
    await ask('three', 'A3');
    expect((await ask('TWO', 'B2', second ?? ''))[0]).toBe(context);
    const store = new UIMessageStore({ ...options });
    const texts = (messages: UIMessage[]): string[] =>
      messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : part.type)));
    const loaded = await store.load(threadId);
    expect(texts(loaded)).toEqual(['one', 'A1', 'TWO', 'B2', 'three', 'A3']);

    const url = `data:image/png;base64,${'A'.repeat(90_000)}`;
    const greeting: UIMessage = { id: 'a0', role: 'assistant', parts: [{ type: 'text', text: 'Hi 😀' }] };
    const file: UIMessage = { id: 'u1', role: 'user', parts: [{ type: 'file', mediaType: 'image/png', url }] };
    const call = { type: 'dynamic-tool', toolName: 'x', toolCallId: 'c', state: 'output-available' } as const;
    const tool: UIMessage = {
      id: 'a1',
      role: 'assistant',
      parts: [{ ...call, input: { a: 1.5 }, output: [1e300, null] }],
    };
    const own = `${threadId}-ui`;
    await store.save(own, [greeting, file, tool]);
    expect(await store.load(own)).toEqual([greeting, file, tool]);
    const edited: UIMessage = { ...file, parts: [{ type: 'text', text: 'edited' }] };
    await store.save(own, [greeting, edited]);
    await store.save(own, [greeting, edited]);
    expect(await store.load(own)).toEqual([greeting, edited]);
    await store.save(own, [greeting], { deleteLater: true });
    expect(await store.load(own)).toEqual([greeting]);
  },
  60_000,
);
