import { expect, test, vi } from 'vitest';
import { AgentChatError } from '../src/index.js';
import { chat, refreshed } from './chat.js';
import { answerTo, gate, problem, serve, tell } from './server.js';
import { HttpResponse } from 'msw';

test('a message is pending until the answer comes, then both are sent', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: () => opened });
  const shown = chat();
  let answer: unknown;
  shown.do(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  expect(shown.now.status).toBe('submitted');
  expect(shown.now.messages).toMatchObject([{ role: 'user', content: 'Hello', status: 'pending' }]);
  open(undefined);
  await shown.until(({ status }) => status === 'ready');
  expect(shown.now.messages).toMatchObject([
    { role: 'user', content: 'Hello', status: 'sent' },
    { role: 'assistant', content: 'You said: Hello', status: 'sent' },
  ]);
  expect(answer).toBe(shown.now.messages[1]);
  expect(memory.runs).toHaveLength(1);
});

test('a message keeps its id from the first render to the reload, and is never missing in between', async () => {
  const memory = serve();
  const shown = chat({ threadId: 't' });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  await shown.say('Hello');
  await refreshed(shown);
  const [question, answer] = shown.now.messages;
  const first = shown.renders.findIndex(({ messages }) => messages.length > 0);
  for (const { messages } of shown.renders.slice(first)) expect(messages[0]?.id).toBe(question?.id);
  shown.unmount();
  const again = chat({ threadId: 't' });
  await again.until(({ messages }) => messages.length === 2);
  expect(again.now.messages.map(({ id }) => id)).toEqual([question?.id, answer?.id]);
  expect(question?.id).toBe(`${memory.runs[0]?.body.exchange_id ?? ''}:user`);
});

test('the request has the thread, the user, the exchange and the fields of the option `request`', async () => {
  const memory = serve();
  const shown = chat({
    threadId: 't',
    userId: 'ada',
    headers: async () => ({ Authorization: await Promise.resolve('Bearer x') }),
    request: { instructions: 'Be brief.' },
  });
  await shown.say('Hello');
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
  const shown = chat();
  await shown.say('one');
  await shown.say('two');
  expect(new Set(memory.runs.map(({ body }) => body.thread_id))).toEqual(new Set([shown.now.threadId]));
});

test('a second message waits for the first answer, and each answer follows its question', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: (_, count) => (count === 1 ? opened : undefined) });
  const shown = chat();
  shown.do(({ sendMessage }) => void sendMessage('one'));
  shown.do(({ sendMessage }) => void sendMessage('two'));
  await memory.arrived(1);
  expect(shown.texts).toEqual(['one', 'two']);
  expect(memory.runs).toHaveLength(1);
  open(undefined);
  await shown.until(({ status }) => status === 'ready');
  expect(shown.texts).toEqual(['one', 'You said: one', 'two', 'You said: two']);
});

test('the same text twice is two messages', async () => {
  serve();
  const shown = chat();
  await shown.say('yes');
  await shown.say('yes');
  expect(shown.texts).toEqual(['yes', 'You said: yes', 'yes', 'You said: yes']);
});

test('lastContext and the answer have the layers that served the turn, and its durations', async () => {
  serve({
    run: ({ body }) =>
      HttpResponse.json(answerTo(body, { source: 'postgres', degraded: ['redis'] }), {
        headers: { 'Server-Timing': 'recall;dur=12.5, agent;dur=3.0' },
      }),
  });
  const shown = chat();
  await shown.say('Hello');
  expect(shown.now.lastContext).toMatchObject({
    source: 'postgres',
    degraded: ['redis'],
    durability: 'queue',
    cached: true,
    timings: { recall: 12.5, agent: 3 },
  });
  expect(shown.now.lastContext?.latencyMs).toBeGreaterThanOrEqual(0);
  expect(shown.now.messages[1]?.context).toBe(shown.now.lastContext);
});

test('a failed message keeps its text, does not reject, and has the error of the problem', async () => {
  serve({ run: () => problem(503, 'redis did not answer.', { 'Retry-After': '7' }) });
  const onError = vi.fn();
  const onFinish = vi.fn();
  const shown = chat({ onError, onFinish });
  expect(await shown.say('Hello')).toBeUndefined();
  expect(shown.now.status).toBe('error');
  expect(shown.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
  const { error } = shown.now;
  expect(error).toBeInstanceOf(AgentChatError);
  expect(error).toMatchObject({
    status: 503,
    title: 'A title',
    detail: 'redis did not answer.',
    requestId: 'r-1',
    retryAfter: 7,
    isAbort: false,
  });
  expect(shown.now.messages[0]?.error).toBe(error);
  expect(onError.mock.calls).toEqual([[error]]);
  expect(onFinish.mock.calls).toEqual([[{ aborted: false, error }]]);
  shown.do(({ clearError }) => {
    clearError();
  });
  expect(shown.now).toMatchObject({ status: 'ready', error: undefined });
  expect(shown.now.messages).toMatchObject([{ content: 'Hello', status: 'failed' }]);
});

test('retry sends the same request, so the turn runs once', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'The model failed.') : undefined) });
  const shown = chat();
  await shown.say('Hello');
  const id = shown.now.messages[0]?.id;
  shown.do(({ retry }) => void retry(id));
  expect(shown.now.messages).toMatchObject([{ id, status: 'pending' }]);
  expect(shown.now.error).toBeUndefined();
  await shown.until(({ status }) => status === 'ready');
  expect(shown.now.messages).toMatchObject([{ id, status: 'sent' }, { content: 'You said: Hello' }]);
  expect(memory.runs[1]?.key).toBe(memory.runs[0]?.key);
  expect(memory.runs[1]?.body).toEqual(memory.runs[0]?.body);
});

test('retry of a turn whose answer was lost on the way gets that answer', async () => {
  const memory = serve();
  let isLost = true;
  const lossy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!isLost || init?.method !== 'POST') return response;
    isLost = false;
    throw new TypeError('Failed to fetch');
  };
  const shown = chat({ fetch: lossy });
  await shown.say('Hello');
  expect(shown.now.error).toMatchObject({ status: 0, detail: 'The server is not responding.' });
  shown.do(({ retry }) => void retry());
  await shown.until(({ status }) => status === 'ready');
  expect(shown.texts).toEqual(['Hello', 'You said: Hello']);
  expect(memory.threads.get(shown.now.threadId ?? '')).toHaveLength(2);
});

test('retry waits while the first request still runs', async () => {
  const running = problem(409, 'The first request with this Idempotency-Key is still running.', { 'Retry-After': '0' });
  const memory = serve({
    run: (_, count) => {
      if (count === 1) return problem(504, 'No answer in time.');
      return count < 4 ? running.clone() : undefined;
    },
  });
  const shown = chat();
  await shown.say('Hello');
  shown.do(({ retry }) => void retry());
  await memory.arrived(3);
  expect(shown.now).toMatchObject({ status: 'submitted', error: undefined });
  await shown.until(({ status }) => status === 'ready');
  expect(shown.texts).toEqual(['Hello', 'You said: Hello']);
  expect(new Set(memory.runs.map(({ key }) => key)).size).toBe(1);
});

test('retry twice at once is one request', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: (_, count) => (count === 1 ? problem(502, 'no') : opened) });
  const shown = chat();
  await shown.say('Hello');
  shown.do(({ retry }) => {
    void retry();
    void retry(shown.now.messages[0]?.id);
  });
  open(undefined);
  await shown.until(({ status }) => status === 'ready');
  expect(memory.runs).toHaveLength(2);
});

test('stop ends the waiting and says that the server may finish; refresh shows the answer', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: () => opened });
  const onFinish = vi.fn();
  const onError = vi.fn();
  const shown = chat({ onFinish, onError });
  let answer: unknown = 'none yet';
  shown.do(({ sendMessage }) => void sendMessage('Hello').then((given) => (answer = given)));
  await memory.arrived(1);
  shown.do(({ stop }) => {
    stop();
  });
  expect(shown.now.status).toBe('ready');
  expect(shown.now.messages).toMatchObject([{ content: 'Hello', status: 'failed', error: { isAbort: true } }]);
  expect(shown.now.error?.detail).toMatch(/server may still finish/);
  await vi.waitFor(() => {
    expect(onFinish).toHaveBeenCalledExactlyOnceWith({ aborted: true, error: shown.now.error });
  });
  expect(answer).toBeUndefined();
  expect(onError).not.toHaveBeenCalled();

  const id = shown.now.messages[0]?.id;
  open(undefined);
  await vi.waitFor(() => {
    expect(memory.threads.size).toBe(1);
  });
  await refreshed(shown);
  expect(shown.now.messages).toMatchObject([
    { id, content: 'Hello', status: 'sent' },
    { content: 'You said: Hello', status: 'sent' },
  ]);
  expect(shown.now.messages[0]?.error).toBeUndefined();
  expect(shown.now.error).toBeUndefined();
});

test.each(Array.from({ length: 16 }, (_, n) => n))(
  'a stop at the moment of the answer gives either a stopped turn or an answer: %i',
  async (later) => {
    serve();
    const shown = chat({
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        const text = await response.text();
        const stopLater = (rest: number): void => {
          queueMicrotask(
            rest > 0
              ? () => {
                  stopLater(rest - 1);
                }
              : shown.now.stop,
          );
        };
        response.text = () => {
          stopLater(later);
          return Promise.resolve(text);
        };
        return response;
      },
    });
    const answer = await shown.say('Hello');
    expect(shown.now.status).toBe('ready');
    const [question, ...answers] = shown.now.messages;
    expect(question?.status).toBe(answer ? 'sent' : 'failed');
    expect(answers).toEqual(answer ? [answer] : []);
    expect(shown.now.error?.isAbort).toBe(answer ? undefined : true);
  },
);

test('stop also stops the waiting messages, and keeps their texts', async () => {
  const memory = serve({ run: () => gate().opened });
  const shown = chat();
  shown.do(({ sendMessage }) => {
    void sendMessage('one');
    void sendMessage('two');
  });
  await memory.arrived(1);
  shown.do(({ stop }) => {
    stop();
  });
  expect(shown.now.messages).toMatchObject([
    { content: 'one', status: 'failed' },
    { content: 'two', status: 'failed' },
  ]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(memory.runs).toHaveLength(1);
});

test('a signal stops its own message, the next one is sent', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? gate().opened : undefined) });
  const shown = chat();
  const controller = new AbortController();
  shown.do(({ sendMessage }) => {
    void sendMessage('one', { signal: controller.signal });
    void sendMessage('two');
  });
  await memory.arrived(1);
  shown.do(() => {
    controller.abort();
  });
  await shown.until(({ messages }) => messages.length === 3);
  expect(shown.now.messages).toMatchObject([
    { content: 'one', status: 'failed' },
    { content: 'two', status: 'sent' },
    { content: 'You said: two' },
  ]);
});

test('a failed message does not block the next one', async () => {
  serve({ run: (_, count) => (count === 1 ? problem(502, 'no') : undefined) });
  const shown = chat();
  shown.do(({ sendMessage }) => {
    void sendMessage('one');
    void sendMessage('two');
  });
  await shown.until(({ messages }) => messages.length === 3);
  expect(shown.now.messages.map(({ status }) => status)).toEqual(['failed', 'sent', 'sent']);
});

test('a message of white space is not sent', async () => {
  const memory = serve();
  const shown = chat();
  expect(await shown.say('  \n')).toBeUndefined();
  expect(shown.now.messages).toEqual([]);
  expect(memory.runs).toEqual([]);
});

test('metadata is sent with the message, and the history returns it', async () => {
  const memory = serve();
  const shown = chat({ threadId: 't' });
  shown.do(({ sendMessage }) => void sendMessage({ text: 'Hello', metadata: { draft: 1 }, documentIds: ['d'] }));
  await shown.until(({ messages }) => messages.length === 2);
  expect(shown.now.messages.map(({ metadata }) => metadata)).toEqual([{ draft: 1 }, undefined]);
  expect(memory.runs[0]?.body).toMatchObject({ prompt: 'Hello', document_ids: ['d'], metadata: { draft: 1 } });
  shown.unmount();
  const again = chat({ threadId: 't' });
  await again.until(({ messages }) => messages.length === 2);
  expect(again.now.messages.map(({ metadata }) => metadata)).toEqual([{ draft: 1 }, undefined]);
});

test('every request has the credentials option', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  const seen: (RequestCredentials | undefined)[] = [];
  const spy: typeof fetch = (input, init) => {
    seen.push(init?.credentials);
    return fetch(input, init);
  };
  const shown = chat({ threadId: 't', credentials: 'include', fetch: spy });
  await shown.until(({ historyStatus }) => historyStatus === 'ready');
  await shown.say('Hello');
  shown.set({ threadId: 't', fetch: spy });
  await shown.say('Hello again');
  expect(seen).toEqual(['include', 'include', undefined]);
});

test('a retry of a deleted exchange creates a new exchange', async () => {
  const memory = serve({
    run: (_, count) => (count === 1 ? problem(422, 'The exchange of this Idempotency-Key was deleted.') : undefined),
  });
  const shown = chat();
  await shown.say('Hello');
  const id = shown.now.messages[0]?.id;
  shown.do(({ retry }) => void retry(id));
  await shown.until(({ status }) => status === 'ready');
  expect(shown.now.messages).toMatchObject([{ id, status: 'sent' }, { content: 'You said: Hello' }]);
  expect(memory.runs[1]?.key).not.toBe(memory.runs[0]?.key);
});
