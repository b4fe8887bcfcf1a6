import { isMissing } from './api.js';
import type { components } from '#client/api-types.js';
import { unsendableError } from './errors.js';
import { send, type Connection } from '#client/http.js';

type Schemas = components['schemas'];
type MemoryAnswer = Schemas['MemoryAnswer'];

/** The words of an exchange that a memory is learned from. A message of the exchange contains `quote` exactly. */
export interface Evidence {
  readonly threadId: string;
  readonly exchangeId: string;
  readonly quote: string;
}

/** Something that is known about a user. */
export interface Memory {
  readonly id: string;
  /** `summary` is the summary of a long thread's older exchanges. */
  readonly kind: 'preference' | 'fact' | 'summary';
  /** The name of a preference; null for other kinds. */
  readonly key: string | null;
  /** What people read. For a preference, it is the value. */
  readonly text: string;
  /** From when it is true, in ISO 8601. */
  readonly validFrom: string;
  /** Until when it was true; null if no end is known. */
  readonly validTo: string | null;
  /** The id of the memory that replaced it; null if there is none. */
  readonly supersededBy: string | null;
  /** The newest exchanges that say it, newest first; empty for an explicit memory. */
  readonly evidence: Evidence[];
  /** Whether it was learned from exchanges or set explicitly. */
  readonly source: 'learned' | 'explicit';
  readonly createdAt: string;
}

/** A memory to set explicitly: a fact, or a preference with its name. */
export type NewMemory =
  | { readonly text: string; readonly kind?: 'fact' }
  | { readonly text: string; readonly kind: 'preference'; readonly key: string };

export interface MemoryList {
  /** The newest first. */
  readonly items: Memory[];
  /** The number of the oldest memories that are missing, because the server cannot continue the list. */
  readonly omitted: number;
  /** Layers that did not respond. Without PostgreSQL, summaries are missing. */
  readonly degraded: string[];
}

/** Returns whether a memory has not ended. */
export function isCurrent(memory: Memory, now: Date = new Date()): boolean {
  if (memory.validTo === null) return true;
  return Date.parse(memory.validTo) > Math.max(now.getTime(), Date.parse(memory.validFrom));
}

/** Returns everything that is known about a user, page by page. Throws only AgentChatError. */
export async function getMemories(
  connection: Connection,
  userId: string,
  includeSuperseded: boolean,
  signal: AbortSignal,
): Promise<MemoryList> {
  const items: Memory[] = [];
  const degraded = new Set<string>();
  const query = new URLSearchParams(includeSuperseded ? { include_superseded: 'true' } : {});
  for (;;) {
    const path = `${pathOf(userId)}?${query.toString()}`.replace(/\?$/, '');
    const [answer] = await send(connection, { path, signal, isAnswer: isMemories });
    items.push(...answer.items.map(memoryOf));
    for (const layer of answer.degraded) degraded.add(layer);
    // A server of an earlier version returns no cursor.
    const cursor = (answer as Partial<typeof answer>).next_cursor ?? null;
    // What does not fit into a page is on the next one, so only the last page can lack memories.
    if (cursor === null) return { items, omitted: answer.omitted, degraded: [...degraded] };
    query.set('cursor', cursor);
  }
}

/** Sets a memory explicitly. Throws only AgentChatError. */
export async function addMemory(
  connection: Connection,
  userId: string,
  memory: NewMemory,
  signal: AbortSignal,
): Promise<Memory> {
  const [answer] = await send(connection, {
    path: pathOf(userId),
    method: 'POST',
    body: memory,
    signal,
    isAnswer: isMemory,
  });
  return memoryOf(answer);
}

/** Replaces a memory's text. Throws only AgentChatError. */
export async function correctMemory(
  connection: Connection,
  userId: string,
  memoryId: string,
  text: string,
  signal: AbortSignal,
): Promise<Memory> {
  const path = `${pathOf(userId)}/${encodeURIComponent(memoryId)}`;
  const [answer] = await send(connection, { path, method: 'PATCH', body: { text }, signal, isAnswer: isMemory });
  return memoryOf(answer);
}

/** Deletes a memory. Succeeds if the memory does not exist. Throws only AgentChatError. */
export async function deleteMemory(
  connection: Connection,
  userId: string,
  memoryId: string,
  signal: AbortSignal,
): Promise<void> {
  const path = `${pathOf(userId)}/${encodeURIComponent(memoryId)}`;
  try {
    await send(connection, { path, method: 'DELETE', signal, isAnswer: (body) => body === undefined });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Returns a memory of the API's JSON. */
export function memoryOf(answer: MemoryAnswer): Memory {
  return {
    id: answer.id,
    kind: answer.kind,
    key: answer.key ?? null,
    text: answer.text,
    validFrom: answer.valid_from,
    validTo: answer.valid_to ?? null,
    supersededBy: answer.superseded_by ?? null,
    evidence: answer.evidence.map(({ thread_id, exchange_id, quote }) => ({
      threadId: thread_id,
      exchangeId: exchange_id,
      quote,
    })),
    source: answer.source,
    createdAt: answer.created_at,
  };
}

/** Returns whether JSON has the shape of a memory. */
export function isMemory(body: unknown): body is MemoryAnswer {
  return (
    isObject(body) &&
    ['id', 'kind', 'text', 'valid_from'].every((field) => typeof body[field] === 'string') &&
    Array.isArray(body['evidence']) &&
    body['evidence'].every(isObject)
  );
}

function isMemories(body: unknown): body is Schemas['MemoriesAnswer'] {
  return isObject(body) && Array.isArray(body['items']) && body['items'].every(isMemory);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function pathOf(userId: string): string {
  try {
    return `/users/${encodeURIComponent(userId)}/memories`;
  } catch (error) {
    throw unsendableError(error);
  }
}
