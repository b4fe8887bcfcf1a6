import { expect, test, vi } from 'vitest';
import { AgentChatError } from '../src/index.js';
import { renderChat, refreshChat } from './render-chat.js';
import { answerTo, deferred, problem, serve, storeExchanges } from './server.js';
import { HttpResponse } from 'msw';

test('a message is pending until the answer arrives; then both have the status sent', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise });
  const chat = renderChat();
  let answer: unknown;
  chat.act(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  expect(chat.current.status).toBe('submitted');
  expect(chat.current.messages).toMatchObject([{ role: 'user', content: 'Hello', status: 'pending' }]);
  resolve(undefined);
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.current.messages).toMatchObject([
    { role: 'user', content: 'Hello', status: 'sent' },
    { role: 'assistant', content: 'You said: Hello', status: 'sent' },
  ]);
  expect(answer).toBe(chat.current.messages[1]);
  expect(memory.runs).toHaveLength(1);
});

test('a message keeps its id from the first render to the reload, and is never missing in between', async () => {
  const memory = serve();
  const chat = renderChat({ threadId: 't' });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  await chat.send('Hello');
  await refreshChat(chat);
  const [question, answer] = chat.current.messages;
  const first = chat.renders.findIndex(({ messages }) => messages.length > 0);
  for (const { messages } of chat.renders.slice(first)) expect(messages[0]?.id).toBe(question?.id);
  chat.unmount();
  const again = renderChat({ threadId: 't' });
  await again.waitUntil(({ messages }) => messages.length === 2);
  expect(again.current.messages.map(({ id }) => id)).toEqual([question?.id, answer?.id]);
  expect(question?.id).toBe(`${memory.runs[0]?.body.exchange_id ?? ''}:user`);
});

test('the request has the thread, the user, the exchange and the fields of the option `request`', async () => {
  const memory = serve();
  const chat = renderChat({
    threadId: 't',
    userId: 'ada',
    headers: async () => ({ Authorization: await Promise.resolve('Bearer x') }),
    request: { instructions: 'Be brief.' },
  });
  await chat.send('Hello');
  const [run] = memory.runs;
  expect(run?.body).toEqual({
    instructions: 'Be brief.',
    prompt: 'Hello',
    thread_id: 't',
    user_id: 'ada',
    exchange_id: run?.key,
  });
  expect(run?.headers.get('Authorization')).toBe('Bearer x');
});

test('every send goes to the same thread', async () => {
  const memory = serve();
  const chat = renderChat();
  await chat.send('one');
  await chat.send('two');
  expect(new Set(memory.runs.map(({ body }) => body.thread_id))).toEqual(new Set([chat.current.threadId]));
});

test('a second message waits for the first answer, and each answer follows its question', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: (_, count) => (count === 1 ? promise : undefined) });
  const chat = renderChat();
  chat.act(({ sendMessage }) => void sendMessage('one'));
  chat.act(({ sendMessage }) => void sendMessage('two'));
  await memory.waitForRuns(1);
  expect(chat.texts).toEqual(['one', 'two']);
  expect(memory.runs).toHaveLength(1);
  resolve(undefined);
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.texts).toEqual(['one', 'You said: one', 'two', 'You said: two']);
});

test('the same text sent twice gives two messages', async () => {
  serve();
  const chat = renderChat();
  await chat.send('yes');
  await chat.send('yes');
  expect(chat.texts).toEqual(['yes', 'You said: yes', 'yes', 'You said: yes']);
});

test('lastContext and the answer have the layers that served the turn, and its durations', async () => {
  serve({
    run: ({ body }) =>
      HttpResponse.json(answerTo(body, { source: 'postgres', degraded: ['redis'] }), {
        headers: { 'Server-Timing': 'recall;dur=12.5, agent;dur=3.0' },
      }),
  });
  const chat = renderChat();
  await chat.send('Hello');
  expect(chat.current.lastContext).toMatchObject({
    source: 'postgres',
    degraded: ['redis'],
    durability: 'queue',
    cached: true,
    timings: { recall: 12.5, agent: 3 },
    report: { source: 'postgres', omitted_exchanges: 0 },
  });
  expect(chat.current.lastContext?.latencyMs).toBeGreaterThanOrEqual(0);
  expect(chat.current.messages[1]?.context).toBe(chat.current.lastContext);
});

test('if a turn fails, sendMessage does not reject, and the message keeps its text and has the error', async () => {
  serve({ run: () => problem(503, 'redis did not answer.', { 'Retry-After': '7' }) });
  const onError = vi.fn();
  const onFinish = vi.fn();
  const chat = renderChat({ onError, onFinish });
  expect(await chat.send('Hello')).toBeUndefined();
  expect(chat.current.status).toBe('error');
  expect(chat.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  const { error } = chat.current;
  expect(error).toBeInstanceOf(AgentChatError);
  expect(error).toMatchObject({
    status: 503,
    title: 'A title',
    detail: 'redis did not answer.',
    requestId: 'r-1',
    retryAfter: 7,
    isAbort: false,
  });
  expect(chat.current.messages[0]?.error).toBe(error);
  expect(onError.mock.calls).toEqual([[error]]);
  expect(onFinish.mock.calls).toEqual([[{ aborted: false, error }]]);
  chat.act(({ clearError }) => {
    clearError();
  });
  expect(chat.current).toMatchObject({ status: 'ready', error: undefined });
  expect(chat.current.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
});

test('retry sends the same request, so the turn runs once', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'The model failed.') : undefined) });
  const chat = renderChat();
  await chat.send('Hello');
  const id = chat.current.messages[0]?.id;
  chat.act(({ retry }) => void retry(id));
  expect(chat.current.messages).toMatchObject([{ id, status: 'pending' }]);
  expect(chat.current.error).toBeUndefined();
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.current.messages).toMatchObject([{ id, status: 'sent' }, { content: 'You said: Hello' }]);
  expect(memory.runs[1]?.key).toBe(memory.runs[0]?.key);
  expect(memory.runs[1]?.body).toEqual(memory.runs[0]?.body);
});

test('a retry of a turn whose response was lost returns its answer', async () => {
  const memory = serve();
  let isLost = true;
  const lossy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!isLost || init?.method !== 'POST') return response;
    isLost = false;
    throw new TypeError('Failed to fetch');
  };
  const chat = renderChat({ fetch: lossy });
  await chat.send('Hello');
  expect(chat.current.error).toMatchObject({ status: 0, detail: 'The server is not responding.' });
  chat.act(({ retry }) => void retry());
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.texts).toEqual(['Hello', 'You said: Hello']);
  expect(memory.threads.get(chat.current.threadId ?? '')).toHaveLength(2);
});

test('retry waits while the first request still runs', async () => {
  const running = problem(409, 'The first request with this Idempotency-Key is still running.', { 'Retry-After': '0' });
  const memory = serve({
    run: (_, count) => {
      if (count === 1) return problem(504, 'No answer in time.');
      return count < 4 ? running.clone() : undefined;
    },
  });
  const chat = renderChat();
  await chat.send('Hello');
  chat.act(({ retry }) => void retry());
  await memory.waitForRuns(3);
  expect(chat.current).toMatchObject({ status: 'submitted', error: undefined });
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.texts).toEqual(['Hello', 'You said: Hello']);
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(1);
});

test('two concurrent retries send one request', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'no') : promise) });
  const chat = renderChat();
  await chat.send('Hello');
  chat.act(({ retry }) => {
    void retry();
    void retry(chat.current.messages[0]?.id);
  });
  resolve(undefined);
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(memory.runs).toHaveLength(2);
});

test('stop ends the wait and reports that the server may finish; refresh shows the answer', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise });
  const onFinish = vi.fn();
  const onError = vi.fn();
  const chat = renderChat({ onFinish, onError });
  let answer: unknown = 'none yet';
  chat.act(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await memory.waitForRuns(1);
  chat.act(({ stop }) => {
    stop();
  });
  expect(chat.current.status).toBe('ready');
  expect(chat.current.messages).toMatchObject([{ content: 'Hello', status: 'failed', error: { isAbort: true } }]);
  expect(chat.current.error?.detail).toMatch(/server may still finish/);
  await vi.waitFor(() => {
    expect(onFinish).toHaveBeenCalledExactlyOnceWith({ aborted: true, error: chat.current.error });
  });
  expect(answer).toBeUndefined();
  expect(onError).not.toHaveBeenCalled();

  const id = chat.current.messages[0]?.id;
  resolve(undefined);
  await vi.waitFor(() => {
    expect(memory.threads.size).toBe(1);
  });
  await refreshChat(chat);
  expect(chat.current.messages).toMatchObject([
    { id, content: 'Hello', status: 'sent' },
    { content: 'You said: Hello', status: 'sent' },
  ]);
  expect(chat.current.messages[0]?.error).toBeUndefined();
  expect(chat.current.error).toBeUndefined();
});

test.each(Array.from({ length: 16 }, (_, n) => n))(
  'a stop at the moment of the answer gives either a stopped turn or an answer: %i',
  async (later) => {
    serve();
    const chat = renderChat({
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        const text = await response.text();
        const stopLater = (rest: number): void => {
          queueMicrotask(
            rest > 0
              ? () => {
                  stopLater(rest - 1);
                }
              : chat.current.stop,
          );
        };
        response.text = () => {
          stopLater(later);
          return Promise.resolve(text);
        };
        return response;
      },
    });
    const answer = await chat.send('Hello');
    expect(chat.current.status).toBe('ready');
    const [question, ...answers] = chat.current.messages;
    expect(question?.status).toBe(answer ? 'sent' : 'failed');
    expect(answers).toEqual(answer ? [answer] : []);
    expect(chat.current.error?.isAbort).toBe(answer ? undefined : true);
  },
);

test('stop also stops the waiting messages, and keeps their texts', async () => {
  const memory = serve({ run: () => deferred().promise });
  const chat = renderChat();
  chat.act(({ sendMessage }) => {
    void sendMessage('one');
    void sendMessage('two');
  });
  await memory.waitForRuns(1);
  chat.act(({ stop }) => {
    stop();
  });
  expect(chat.current.messages).toMatchObject([
    { content: 'one', status: 'failed' },
    { content: 'two', status: 'failed' },
  ]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(memory.runs).toHaveLength(1);
});

test('a signal stops only its own message, and the next message is sent', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? deferred().promise : undefined) });
  const chat = renderChat();
  const controller = new AbortController();
  chat.act(({ sendMessage }) => {
    void sendMessage('one', { signal: controller.signal });
    void sendMessage('two');
  });
  await memory.waitForRuns(1);
  chat.act(() => {
    controller.abort();
  });
  await chat.waitUntil(({ messages }) => messages.length === 3);
  expect(chat.current.messages).toMatchObject([
    { content: 'one', status: 'failed' },
    { content: 'two', status: 'sent' },
    { content: 'You said: two' },
  ]);
});

test('a failed message does not block the next one', async () => {
  serve({ run: (_, count) => (count === 1 ? problem(502, 'no') : undefined) });
  const chat = renderChat();
  chat.act(({ sendMessage }) => {
    void sendMessage('one');
    void sendMessage('two');
  });
  await chat.waitUntil(({ messages }) => messages.length === 3);
  expect(chat.current.messages.map(({ status }) => status)).toEqual(['failed', 'sent', 'sent']);
});

test('a message of white space is not sent', async () => {
  const memory = serve();
  const chat = renderChat();
  expect(await chat.send('  \n')).toBeUndefined();
  expect(chat.current.messages).toEqual([]);
  expect(memory.runs).toEqual([]);
});

test('metadata is sent with the message, and the history returns it', async () => {
  const memory = serve();
  const chat = renderChat({ threadId: 't' });
  chat.act(({ sendMessage }) => void sendMessage({ text: 'Hello', metadata: { draft: 1 }, documentIds: ['d'] }));
  await chat.waitUntil(({ messages }) => messages.length === 2);
  expect(chat.current.messages.map(({ metadata }) => metadata)).toEqual([{ draft: 1 }, undefined]);
  expect(memory.runs[0]?.body).toMatchObject({ prompt: 'Hello', document_ids: ['d'], metadata: { draft: 1 } });
  chat.unmount();
  const again = renderChat({ threadId: 't' });
  await again.waitUntil(({ messages }) => messages.length === 2);
  expect(again.current.messages.map(({ metadata }) => metadata)).toEqual([{ draft: 1 }, undefined]);
});

test('every request has the credentials option', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const seen: (RequestCredentials | undefined)[] = [];
  const spy: typeof fetch = (input, init) => {
    seen.push(init?.credentials);
    return fetch(input, init);
  };
  const chat = renderChat({ threadId: 't', credentials: 'include', fetch: spy });
  await chat.waitUntil(({ historyStatus }) => historyStatus === 'ready');
  await chat.send('Hello');
  chat.rerender({ threadId: 't', fetch: spy });
  await chat.send('Hello again');
  expect(seen).toEqual(['include', 'include', undefined]);
});

test('a retry of a deleted exchange creates a new exchange', async () => {
  const memory = serve({
    run: (_, count) => (count === 1 ? problem(422, 'The exchange of this Idempotency-Key was deleted.') : undefined),
  });
  const chat = renderChat();
  await chat.send('Hello');
  const id = chat.current.messages[0]?.id;
  chat.act(({ retry }) => void retry(id));
  await chat.waitUntil(({ status }) => status === 'ready');
  expect(chat.current.messages).toMatchObject([{ id, status: 'sent' }, { content: 'You said: Hello' }]);
  expect(memory.runs[1]?.key).not.toBe(memory.runs[0]?.key);
});
