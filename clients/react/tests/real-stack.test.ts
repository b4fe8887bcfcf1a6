import { useChat } from '@ai-sdk/react';
import { act, renderHook } from '@testing-library/react';
import { request } from 'node:http';
import { expect, test } from 'vitest';
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
