import { expect, test } from 'vitest';
import { getHistory } from '../src/server.js';
import { FakeMemory } from '../../typescript/src/testing.js';
import { renderChat } from './render-chat.js';

async function startThread(): Promise<FakeMemory> {
  const memory = new FakeMemory();
  for (const prompt of ['one', 'two']) {
    const body = JSON.stringify({ prompt, thread_id: 't', metadata: { prompt } });
    await memory.fetch('http://api.test/run', { method: 'POST', body });
  }
  return memory;
}

test('the newest messages of a thread are initial messages of the hook', async () => {
  const memory = await startThread();
  const options = { baseUrl: 'http://api.test', fetch: memory.fetch };
  const messages = await getHistory('t', options);
  expect(messages.map(({ content }) => content)).toEqual(['one', 'You said: one', 'two', 'You said: two']);
  // React Server Components serialize them.
  expect(structuredClone(messages)).toEqual(messages);
  const chat = renderChat({ ...options, threadId: 't', initialMessages: messages });
  expect(chat.current.messages).toEqual(messages);
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  expect(chat.current.messages).toHaveLength(4);
  expect((await chat.send('three'))?.content).toBe('You said: three');
});

test('the number of messages is limited, and a new thread has none', async () => {
  const options = { baseUrl: 'http://api.test', fetch: (await startThread()).fetch };
  const newest = await getHistory('t', { ...options, pageSize: 1 });
  expect(newest.map(({ content }) => content)).toEqual(['You said: two']);
  expect(await getHistory('new', options)).toEqual([]);
});

test('an outage is an error, not an empty history', async () => {
  const memory = await startThread();
  memory.failNext(new Response(null, { status: 500 }));
  await expect(getHistory('t', { baseUrl: 'http://api.test', fetch: memory.fetch })).rejects.toMatchObject({
    status: 500,
  });
});
