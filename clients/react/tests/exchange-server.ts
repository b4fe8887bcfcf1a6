import { http, HttpResponse } from 'msw';
import type { MessageAnswer } from '../src/api.js';
import type { InvokedRequest, InvokingRequest } from '../src/exchanges.js';
import { API, problem, server } from './server.js';

type ReplaceBody = Pick<InvokedRequest, 'user_message' | 'assistant_message' | 'metadata'>;

export interface ExchangeMemory {
  /** The requests to `POST /invoking`. */
  readonly loads: InvokingRequest[];
  /** The requests to `POST /invoked`. */
  readonly stores: InvokedRequest[];
  /** The exchange ids of the requests to `PUT` and `DELETE`. */
  readonly replacements: string[];
  readonly deletions: string[];
  readonly reads: URLSearchParams[];
  readonly headers: Headers[];
  /** The stored exchanges by thread and id, in order. */
  readonly threads: Map<string, Map<string, ReplaceBody>>;
  /** The layers that do not respond. */
  degraded: string[];
}

export interface ExchangeOverrides {
  load?: (count: number) => Response | undefined;
  store?: (body: InvokedRequest, count: number) => Response | undefined;
}

/** Starts a fake server that stores exchanges, and returns its state. */
export function serveExchanges(overrides: ExchangeOverrides = {}): ExchangeMemory {
  const memory: ExchangeMemory = {
    loads: [],
    stores: [],
    replacements: [],
    deletions: [],
    reads: [],
    headers: [],
    threads: new Map(),
    degraded: [],
  };
  const threadOf = (id: string): Map<string, ReplaceBody> => {
    const thread = memory.threads.get(id) ?? new Map<string, ReplaceBody>();
    memory.threads.set(id, thread);
    return thread;
  };
  const stored = (exchange_id: string) =>
    HttpResponse.json({ exchange_id, durability: 'queue', cached: true }, { status: 202 });
  server.use(
    http.post(`${API}/invoking`, async ({ request }) => {
      const body = (await request.json()) as InvokingRequest;
      memory.loads.push(body);
      memory.headers.push(request.headers);
      const messages = messagesIn(memory, body.thread_id ?? '');
      const lines = messages.map(({ role, content }) => `${role}: ${content}`).join('\n');
      const all = {
        context: `Previous conversation:\n${lines}\n\nUser preferences:\ntone: brief`,
        messages,
        preferences: { tone: 'brief' },
        memories: [{ kind: 'fact', text: 'Lives in\nRome' }],
      };
      const included = Object.entries(all).filter(([name]) => (body.include ?? []).includes(name as 'context'));
      const answer = { context_tokens: 0, omitted_exchanges: 0, source: 'redis', degraded: memory.degraded };
      return overrides.load?.(memory.loads.length) ?? HttpResponse.json({ ...Object.fromEntries(included), ...answer });
    }),
    http.post(`${API}/invoked`, async ({ request }) => {
      const body = (await request.json()) as InvokedRequest;
      memory.stores.push(body);
      const override = overrides.store?.(body, memory.stores.length);
      if (override) return override;
      const { thread_id, exchange_id, user_message, assistant_message, metadata } = body;
      const thread = threadOf(thread_id ?? '');
      const id = exchange_id ?? '';
      if (!thread.has(id)) thread.set(id, { user_message, assistant_message, metadata: metadata ?? null });
      return stored(id);
    }),
    http.put<{ thread: string; exchange: string }>(`${API}/threads/:thread/exchanges/:exchange`, async (call) => {
      const { thread, exchange } = call.params;
      memory.replacements.push(exchange);
      if (!threadOf(thread).has(exchange)) return problem(404, 'There is no such exchange.');
      threadOf(thread).set(exchange, (await call.request.json()) as ReplaceBody);
      return stored(exchange);
    }),
    http.delete<{ thread: string; exchange: string }>(`${API}/threads/:thread/exchanges/:exchange`, ({ params }) => {
      memory.deletions.push(params.exchange);
      const isDeleted = threadOf(params.thread).delete(params.exchange);
      return isDeleted ? new HttpResponse(null, { status: 204 }) : problem(404, 'There is no such exchange.');
    }),
    http.get<{ thread: string }>(`${API}/threads/:thread/messages`, ({ request, params }) => {
      const query = new URL(request.url).searchParams;
      memory.reads.push(query);
      const all = messagesIn(memory, params.thread);
      if (all.length === 0) return problem(404, 'There is no such thread.');
      const end = Number(query.get('cursor') ?? all.length);
      const start = Math.max(0, end - Number(query.get('limit')));
      const items = all.slice(start, end).reverse();
      return HttpResponse.json({ items, next_cursor: start > 0 ? String(start) : null, degraded: memory.degraded });
    }),
  );
  return memory;
}

/** Returns the stored texts of a thread, question by answer. */
export function storedTexts(memory: ExchangeMemory, thread = 't'): string[][] {
  return Array.from(memory.threads.get(thread)?.values() ?? [], (each) => [each.user_message, each.assistant_message]);
}

function messagesIn(memory: ExchangeMemory, thread: string): MessageAnswer[] {
  return Array.from(memory.threads.get(thread)?.entries() ?? []).flatMap(([exchange_id, exchange]): MessageAnswer[] => {
    const { metadata } = exchange;
    const created_at = '2026-01-01T00:00:00Z';
    return [
      { role: 'user', content: exchange.user_message, exchange_id, created_at, ...(metadata && { metadata }) },
      { role: 'assistant', content: exchange.assistant_message, exchange_id, created_at },
    ];
  });
}
