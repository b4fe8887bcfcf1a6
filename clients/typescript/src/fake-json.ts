import type { components } from './api-types.js';
import { newId } from './ids.js';

type Schemas = components['schemas'];
export type Json = Record<string, unknown>;

/** A stored exchange of the fake. */
export interface FakeExchange {
  readonly exchangeId: string;
  readonly userId: string | null;
  readonly createdAt: string;
  readonly userMessage: string;
  readonly assistantMessage: string;
  readonly metadata?: Readonly<Json> | undefined;
  /** How often the exchange was replaced. */
  readonly revision: number;
}

/** A stored thread of the fake. */
export interface FakeThread {
  title: string;
  readonly userId: string | null;
  readonly createdAt: string;
  updatedAt: string;
  readonly documentIds: string[];
  readonly exchanges: Map<string, FakeExchange>;
  readonly deleted: Set<string>;
}

/** A problem that the fake answers with. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly field?: string,
  ) {
    super(detail);
  }
}

export function headOf(threadId: string, thread: FakeThread): Json {
  const { title, createdAt, updatedAt, exchanges } = thread;
  const times = { created_at: createdAt, updated_at: updatedAt };
  return { thread_id: threadId, title, ...times, message_count: exchanges.size * 2 };
}

export function messagesOf(exchange: FakeExchange): Json[] {
  const { exchangeId, createdAt, userMessage, assistantMessage, metadata, revision } = exchange;
  const common = { exchange_id: exchangeId, created_at: createdAt, ...(revision > 0 && { revision }) };
  return [
    { role: 'user', content: userMessage, ...common, ...(metadata && { metadata }) },
    { role: 'assistant', content: assistantMessage, ...common },
  ];
}

export function foundOf(threadId: string, { title }: FakeThread, exchange: FakeExchange): Json {
  const { exchangeId, createdAt, userMessage, assistantMessage } = exchange;
  const texts = { user_message: userMessage, assistant_message: assistantMessage };
  const place = { kind: 'exchange', thread_id: threadId, title, exchange_id: exchangeId, created_at: createdAt };
  return { ...place, ...texts, score: 1, highlights: [] };
}

export function memoryOf(body: Json): Schemas['MemoryAnswer'] {
  const now = new Date().toISOString();
  const memory = {
    id: newId(),
    kind: optionalText(body, 'kind') ?? 'fact',
    key: optionalText(body, 'key'),
    text: textOf(body, 'text'),
    valid_from: now,
    valid_to: null,
    superseded_by: null,
    evidence: [],
    source: 'explicit',
    created_at: now,
  };
  return memory as Schemas['MemoryAnswer'];
}

export function pageOf<T>(all: readonly T[], query: URLSearchParams): { items: T[]; next_cursor: string | null } {
  const start = Number(query.get('cursor') ?? 0);
  const end = start + Number(query.get('limit') ?? 50);
  return { items: all.slice(start, end), next_cursor: end < all.length ? String(end) : null };
}

export function textOf(body: Json, field: string): string {
  const value = body[field];
  if (typeof value !== 'string') throw new Problem(422, `${field}: must be a text`, field);
  return value;
}

export function optionalText(body: Json, field: string): string | null {
  return typeof body[field] === 'string' ? body[field] : null;
}

export function json(status: number, body: unknown): Response {
  return Response.json(body, { status });
}

export function nothing(): Response {
  return new Response(null, { status: 204 });
}

export function problemOf({ status, message, field }: Problem): Response {
  const errors = field === undefined ? [] : [{ field, in: 'body', detail: message }];
  const problem = { type: 'about:blank', title: `Problem ${String(status)}`, status, detail: message, errors };
  const headers = { 'Content-Type': 'application/problem+json', ...(status === 409 && { 'Retry-After': '1' }) };
  return new Response(JSON.stringify(problem), { status, headers });
}
