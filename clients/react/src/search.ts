import type { components } from '#client/api-types.js';
import { unsendableError } from './errors.js';
import { send, type Connection } from '#client/http.js';
import { isMemory, memoryOf, type Memory } from './memories.js';

type Schemas = components['schemas'];
type SearchAnswer = Schemas['SearchAnswerBody'];

const MEMORY_KINDS = new Set<unknown>(['preference', 'fact', 'summary']);

/** What to search. */
export interface SearchScope {
  /** The user. A server that checks tokens takes the user from the token. */
  readonly userId?: string | undefined;
  /** The maximum number of items, 1 to 100. Default: 10. */
  readonly limit?: number | undefined;
  /** Search only this thread. */
  readonly threadId?: string | undefined;
  /** Search all threads but this one. */
  readonly excludeThreadId?: string | undefined;
  /** Search only exchanges from this time on. */
  readonly since?: Date | undefined;
  /** Search only exchanges before this time. */
  readonly until?: Date | undefined;
  /** What to find. Default: only exchanges. */
  readonly kinds?: readonly ('exchange' | 'memory')[] | undefined;
}

export interface SearchOptions extends Connection, SearchScope {
  readonly signal?: AbortSignal | undefined;
}

/** A part of a text that matches the query, counted in Unicode code points. `highlightedParts` applies it. */
export interface Highlight {
  readonly field: 'userMessage' | 'assistantMessage';
  readonly start: number;
  /** The position after the last character. */
  readonly end: number;
}

/** A found exchange. */
export interface SearchItem {
  readonly threadId: string;
  /** The title of the thread. */
  readonly title: string | null;
  readonly exchangeId: string;
  /** When the exchange was accepted, in ISO 8601. */
  readonly createdAt: string;
  readonly userMessage: string;
  readonly assistantMessage: string;
  /** From 0 to 1, comparable with the other scores of the same result. */
  readonly score: number;
  readonly highlights: Highlight[];
}

/** A found memory. */
export interface FoundMemory extends Memory {
  /** The part of the query's words that the memory and its quotes contain, from 0 to 1. */
  readonly score: number;
}

export interface SearchResult {
  /** The found exchanges, the best first. */
  readonly items: SearchItem[];
  /** The found memories, the best first; empty unless `kinds` has `memory`. */
  readonly memories: FoundMemory[];
  /** How the exchanges were searched. */
  readonly arms: ('text' | 'vector')[];
  /** Every exchange that was accepted up to this time was looked at; null if this time is unknown. */
  readonly searchedUpTo: string | null;
  /** Layers that did not respond. */
  readonly degraded: string[];
  /** Whether the search looked at everything, so that no items mean that nothing matches. */
  readonly isComplete: boolean;
}

/**
 * Searches everything that a user said or was told, from the moment it is accepted.
 *
 * Throws only AgentChatError.
 */
export async function search(query: string, options: SearchOptions = {}): Promise<SearchResult> {
  const [answer] = await send(options, {
    path: '/search',
    method: 'POST',
    body: bodyOf(query, options),
    signal: options.signal ?? new AbortController().signal,
    isAnswer: isSearchAnswer,
  });
  const { arms, degraded } = answer;
  // A newer server may return items of other kinds.
  const items = answer.items.filter((item) => item.kind === 'exchange').map(itemOf);
  const memories = answer.items.filter(isFoundMemory).map((item) => ({ ...memoryOf(item), score: item.score }));
  return {
    items,
    memories,
    arms,
    searchedUpTo: answer.searched_up_to,
    degraded,
    isComplete: !degraded.includes('search'),
  };
}

function bodyOf(query: string, options: SearchScope): Schemas['SearchRequest'] {
  const { userId, limit, threadId, excludeThreadId, since, until, kinds } = options;
  return {
    query,
    ...(userId !== undefined && { user_id: userId }),
    ...(limit !== undefined && { limit }),
    ...(threadId !== undefined && { thread_id: threadId }),
    ...(excludeThreadId !== undefined && { exclude_thread_id: excludeThreadId }),
    ...(since !== undefined && { since: timeOf(since) }),
    ...(until !== undefined && { until: timeOf(until) }),
    ...(kinds !== undefined && { kinds: [...kinds] }),
  };
}

function timeOf(time: Date): string {
  try {
    return time.toISOString();
  } catch (error) {
    throw unsendableError(error, '`since` or `until` is not a valid time.');
  }
}

function itemOf(item: Schemas['SearchItemAnswer']): SearchItem {
  return {
    threadId: item.thread_id,
    title: item.title,
    exchangeId: item.exchange_id,
    createdAt: item.created_at,
    userMessage: item.user_message,
    assistantMessage: item.assistant_message,
    score: item.score,
    highlights: item.highlights.map(({ field, start, end }) => ({
      field: field === 'user_message' ? 'userMessage' : 'assistantMessage',
      start,
      end,
    })),
  };
}

function isSearchAnswer(body: unknown): body is SearchAnswer {
  return (
    isObject(body) &&
    Array.isArray(body['items']) &&
    body['items'].every(isItem) &&
    Array.isArray(body['arms']) &&
    Array.isArray(body['degraded'])
  );
}

function isItem(item: unknown): boolean {
  if (!isObject(item)) return false;
  if (item['kind'] !== 'exchange') return typeof item['kind'] === 'string' && (!isOfMemory(item) || isMemory(item));
  return (
    typeof item['user_message'] === 'string' &&
    typeof item['assistant_message'] === 'string' &&
    Array.isArray(item['highlights']) &&
    item['highlights'].every(isObject)
  );
}

function isFoundMemory(item: SearchAnswer['items'][number]): item is Schemas['MemoryItemAnswer'] {
  return isOfMemory(item);
}

function isOfMemory(item: object): boolean {
  return 'kind' in item && MEMORY_KINDS.has(item.kind);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
