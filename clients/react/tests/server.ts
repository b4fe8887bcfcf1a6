import { delay, http, HttpResponse, type HttpResponseResolver } from 'msw';
import { setupServer } from 'msw/node';
import type { MessageAnswer, RunAnswer, RunRequest } from '../src/api.js';

export const API = 'http://api.test/local';

export const server = setupServer();

export interface ReceivedRun {
  readonly body: RunRequest;
  readonly key: string | null;
  readonly headers: Headers;
}

export interface FakeMemory {
  /** Each request to `POST /run`, in the order of arrival. */
  readonly runs: ReceivedRun[];
  /** The query of each request for messages. */
  readonly reads: URLSearchParams[];
  /** The exchange id of each deletion. */
  readonly deletions: string[];
  /** The stored messages by thread, oldest first. */
  readonly threads: Map<string, MessageAnswer[]>;
  /** Waits until this number of runs has arrived. */
  waitForRuns(count: number): Promise<void>;
}

export interface Overrides {
  /** Returns the response to a run; with undefined, the server handles the run. `count` is the number of runs so far. */
  run?: (received: ReceivedRun, count: number) => Promise<Response | undefined> | Response | undefined;
  /** Returns the response to a request for messages. */
  read?: (count: number) => Promise<Response | undefined> | Response | undefined;
  /** Returns the response to the deletion of an exchange. */
  delete?: (exchangeId: string, count: number) => Promise<Response | undefined> | Response | undefined;
}

/** Starts a fake server with threads, pages and idempotency keys, and returns its state. */
export function serve(overrides: Overrides = {}): FakeMemory {
  const answers = new Map<string, { body: string; answer: RunAnswer }>();
  const memory: FakeMemory = {
    runs: [],
    reads: [],
    deletions: [],
    threads: new Map(),
    async waitForRuns(count) {
      while (memory.runs.length < count) await delay(5);
    },
  };
  const run: HttpResponseResolver = async ({ request }) => {
    const body = (await request.json()) as RunRequest;
    const key = request.headers.get('Idempotency-Key');
    const received = { body, key, headers: request.headers };
    memory.runs.push(received);
    const override = await overrides.run?.(received, memory.runs.length);
    return override ?? storeRun(memory, answers, received);
  };
  const read: HttpResponseResolver<{ thread: string }> = async ({ request, params }) => {
    const query = new URL(request.url).searchParams;
    memory.reads.push(query);
    const override = await overrides.read?.(memory.reads.length);
    if (override) return override;
    const stored = memory.threads.get(params.thread);
    if (!stored) return problem(404, 'There is no such thread.');
    const end = Number(query.get('cursor') ?? stored.length);
    const start = Math.max(0, end - Number(query.get('limit')));
    const items = stored.slice(start, end).reverse();
    return HttpResponse.json({ items, next_cursor: start > 0 ? String(start) : null, degraded: [] });
  };
  const remove: HttpResponseResolver<{ thread: string; exchange: string }> = async ({ params }) => {
    memory.deletions.push(params.exchange);
    const override = await overrides.delete?.(params.exchange, memory.deletions.length);
    if (override) return override;
    const stored = memory.threads.get(params.thread) ?? [];
    const remaining = stored.filter(({ exchange_id }) => exchange_id !== params.exchange);
    if (remaining.length === stored.length) return problem(404, 'There is no such exchange.');
    memory.threads.set(params.thread, remaining);
    return new HttpResponse(null, { status: 204 });
  };
  server.use(
    http.post(`${API}/run`, run),
    http.get(`${API}/threads/:thread/messages`, read),
    http.delete(`${API}/threads/:thread/exchanges/:exchange`, remove),
  );
  return memory;
}

function storeRun(
  memory: FakeMemory,
  answers: Map<string, { body: string; answer: RunAnswer }>,
  { body, key }: ReceivedRun,
): Response {
  const previous = answers.get(key ?? '');
  if (previous && previous.body !== JSON.stringify(body))
    return problem(422, 'This Idempotency-Key was used with another body.');
  if (previous) return HttpResponse.json(previous.answer, { headers: { 'Idempotent-Replayed': 'true' } });
  const stored = memory.threads.get(body.thread_id ?? '') ?? [];
  const index = stored.findIndex(({ exchange_id }) => exchange_id === (body.replaces ?? body.exchange_id));
  if (index < 0 && body.replaces) return problem(404, 'There is no such exchange.');
  const answer = answerTo(body);
  answers.set(key ?? '', { body: JSON.stringify(body), answer });
  if (index >= 0) {
    const [question, old] = stored.slice(index, index + 2);
    const revision = (question?.revision ?? 0) + 1;
    const { metadata } = body;
    if (question) {
      const { metadata: _, ...rest } = question;
      stored[index] = { ...rest, content: body.prompt, revision, ...(metadata && { metadata }) };
    }
    if (old) stored[index + 1] = { ...old, content: answer.response, revision };
  } else
    store(
      memory,
      body.thread_id ?? '',
      body.exchange_id ?? '',
      body.prompt,
      answer.response,
      body.metadata ?? undefined,
    );
  return HttpResponse.json(answer);
}

export function answerTo(body: RunRequest, memory: Partial<RunAnswer['memory']> = {}): RunAnswer {
  return {
    response: `You said: ${body.prompt}`,
    thread_id: body.thread_id ?? null,
    exchange_id: body.replaces ?? body.exchange_id ?? null,
    memory: {
      source: 'redis',
      degraded: [],
      durability: 'queue',
      cached: true,
      context_tokens: 0,
      omitted_exchanges: 0,
      ...memory,
    },
  };
}

/** Stores an exchange, as another page would. */
export function store(
  memory: FakeMemory,
  thread: string,
  exchangeId: string,
  question: string,
  answer: string,
  metadata?: Record<string, unknown>,
): void {
  const stored = memory.threads.get(thread) ?? [];
  const created_at = new Date(Date.UTC(2026, 0, 1) + stored.length * 1000).toISOString();
  stored.push({ role: 'user', content: question, exchange_id: exchangeId, created_at, ...(metadata && { metadata }) });
  stored.push({ role: 'assistant', content: answer, exchange_id: exchangeId, created_at });
  memory.threads.set(thread, stored);
}

/** Stores `count` exchanges; the first is "q0" and "a0". */
export function storeExchanges(memory: FakeMemory, thread: string, count: number): void {
  for (let n = 0; n < count; n++) store(memory, thread, `${thread}-${String(n)}`, `q${String(n)}`, `a${String(n)}`);
}

export function problem(status: number, detail: string, headers: Record<string, string> = {}): Response {
  const body = { type: 'about:blank', title: 'A title', status, detail, request_id: 'r-1' };
  return new HttpResponse(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  });
}

/** Returns a promise and its resolve function. */
export function deferred<T = undefined>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolvePromise) => (resolve = resolvePromise));
  return { promise, resolve };
}
