import { delay, http, HttpResponse, type HttpResponseResolver } from 'msw';
import { setupServer } from 'msw/node';
import type { MessageAnswer, RunAnswer, RunRequest } from '../src/api.js';

export const API = 'http://api.test/local';

export const server = setupServer();

export interface SeenRun {
  readonly body: RunRequest;
  readonly key: string | null;
  readonly headers: Headers;
}

export interface Memory {
  /** Each request to `POST /run`, in the order of arrival. */
  readonly runs: SeenRun[];
  /** The query of each request for messages. */
  readonly reads: URLSearchParams[];
  /** The exchanges of each request to delete one. */
  readonly deletions: string[];
  /** What is stored, by thread, oldest first. */
  readonly threads: Map<string, MessageAnswer[]>;
  /** Waits until so many runs have come. */
  arrived(count: number): Promise<void>;
}

export interface Faults {
  /** Answers a run instead of the memory; undefined lets it be answered. Called with the count of runs so far. */
  run?: (seen: SeenRun, count: number) => Promise<Response | undefined> | Response | undefined;
  /** The same before messages are read. */
  read?: (count: number) => Promise<Response | undefined> | Response | undefined;
  /** The same before an exchange is deleted. */
  delete?: (exchangeId: string, count: number) => Promise<Response | undefined> | Response | undefined;
}

/** A memory like the real one, as far as the hook sees it: threads, pages with cursors, idempotency keys. */
export function serve(faults: Faults = {}): Memory {
  const answers = new Map<string, { body: string; answer: RunAnswer }>();
  const memory: Memory = {
    runs: [],
    reads: [],
    deletions: [],
    threads: new Map(),
    async arrived(count) {
      while (memory.runs.length < count) await delay(5);
    },
  };
  const run: HttpResponseResolver = async ({ request }) => {
    const body = (await request.json()) as RunRequest;
    const key = request.headers.get('Idempotency-Key');
    const seen = { body, key, headers: request.headers };
    memory.runs.push(seen);
    const fault = await faults.run?.(seen, memory.runs.length);
    return fault ?? keep(memory, answers, seen);
  };
  const read: HttpResponseResolver<{ thread: string }> = async ({ request, params }) => {
    const query = new URL(request.url).searchParams;
    memory.reads.push(query);
    const fault = await faults.read?.(memory.reads.length);
    if (fault) return fault;
    const stored = memory.threads.get(params.thread);
    if (!stored) return problem(404, 'There is no such thread.');
    const end = Number(query.get('cursor') ?? stored.length);
    const start = Math.max(0, end - Number(query.get('limit')));
    const items = stored.slice(start, end).reverse();
    return HttpResponse.json({ items, next_cursor: start > 0 ? String(start) : null, degraded: [] });
  };
  const remove: HttpResponseResolver<{ thread: string; exchange: string }> = async ({ params }) => {
    memory.deletions.push(params.exchange);
    const fault = await faults.delete?.(params.exchange, memory.deletions.length);
    if (fault) return fault;
    const stored = memory.threads.get(params.thread) ?? [];
    const left = stored.filter(({ exchange_id }) => exchange_id !== params.exchange);
    if (left.length === stored.length) return problem(404, 'There is no such exchange.');
    memory.threads.set(params.thread, left);
    return new HttpResponse(null, { status: 204 });
  };
  server.use(
    http.post(`${API}/run`, run),
    http.get(`${API}/threads/:thread/messages`, read),
    http.delete(`${API}/threads/:thread/exchanges/:exchange`, remove),
  );
  return memory;
}

function keep(
  memory: Memory,
  answers: Map<string, { body: string; answer: RunAnswer }>,
  { body, key }: SeenRun,
): Response {
  const known = answers.get(key ?? '');
  if (known && known.body !== JSON.stringify(body))
    return problem(422, 'This Idempotency-Key was used with another body.');
  if (known) return HttpResponse.json(known.answer, { headers: { 'Idempotent-Replayed': 'true' } });
  const stored = memory.threads.get(body.thread_id ?? '') ?? [];
  const place = stored.findIndex(({ exchange_id }) => exchange_id === (body.replaces ?? body.exchange_id));
  if (place < 0 && body.replaces) return problem(404, 'There is no such exchange.');
  const answer = answerTo(body);
  answers.set(key ?? '', { body: JSON.stringify(body), answer });
  if (place >= 0) {
    const [question, old] = stored.slice(place, place + 2);
    if (question) stored[place] = { ...question, content: body.prompt };
    if (old) stored[place + 1] = { ...old, content: answer.response };
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

/** Stores an exchange as if it had been said, also from elsewhere. */
export function store(
  memory: Memory,
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

/** Stores `count` exchanges, "q0" and "a0" the first. */
export function tell(memory: Memory, thread: string, count: number): void {
  for (let n = 0; n < count; n++) store(memory, thread, `${thread}-${String(n)}`, `q${String(n)}`, `a${String(n)}`);
}

export function problem(status: number, detail: string, headers: Record<string, string> = {}): Response {
  const body = { type: 'about:blank', title: 'A title', status, detail, request_id: 'r-1' };
  return new HttpResponse(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  });
}

/** A promise to be resolved from outside. */
export function gate<T = undefined>(): { opened: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const opened = new Promise<T>((resolve) => (open = resolve));
  return { opened, open };
}
