import { useChat } from '@ai-sdk/react';
import { act, renderHook } from '@testing-library/react';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { HybridMemoryChatTransport } from '../src/ai-sdk.js';
import { chat } from './chat.js';
import { server } from './server.js';

/** The `api_url` of a running stack, for example of `make run`. Without it the test is skipped. */
const api = process.env['API_URL'];

/** A fetch that bypasses the DOM of the tests, which enforces CORS as a browser does. */
const plain: typeof fetch = (input, init) =>
  new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(init?.headers));
    const asking = request(input as string, { method: init?.method ?? 'GET', headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => {
        const { statusCode: status = 0, headers: told } = answer;
        const body = status === 204 ? null : Buffer.concat(parts);
        resolve(new Response(body, { status, headers: told as Record<string, string> }));
      });
    });
    asking.on('error', reject);
    if (typeof init?.body === 'string') asking.write(init.body);
    asking.end();
  });

test.skipIf(api === undefined)(
  'turns are replaced, and later ones deleted, in the real memory',
  async () => {
    server.close();
    const options = { baseUrl: api, userId: 'ada', fetch: plain };
    const threadId = `react-${String(Date.now())}`;
    const transport = new HybridMemoryChatTransport(options);
    const shown = renderHook(() => useChat({ id: threadId, transport })).result;
    const textsOf = (messages: typeof shown.current.messages): string[] =>
      messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : '')));
    const agree = async (count: number): Promise<void> => {
      expect(shown.current.error).toBeUndefined();
      const stored = await new HybridMemoryChatTransport(options).history(threadId);
      expect(textsOf(stored)).toEqual(textsOf(shown.current.messages));
      expect(stored).toHaveLength(count);
    };
    for (const text of ['one', 'two', 'three']) await act(() => shown.current.sendMessage({ text }));
    await agree(6);
    await act(() => shown.current.regenerate());
    await agree(6);
    await act(() => shown.current.sendMessage({ text: 'TWO', messageId: shown.current.messages[2]?.id ?? '' }));
    await agree(4);
    await act(() => shown.current.regenerate({ messageId: shown.current.messages[1]?.id ?? '' }));
    await agree(2);
    // The offline agent says what it was given to remember.
    expect(textsOf(shown.current.messages)[1]).toMatch(/no earlier messages/);
    const hook = chat({ ...options, threadId });
    await hook.until(({ messages }) => messages.length === 2);
    expect((await hook.say('four'))?.context).toMatchObject({ durability: 'queue', cached: true });
  },
  60_000,
);
