import type { RunRequest } from './api.js';
import { withStorage, type Persist } from './storage.js';
import type { ChatMessage } from './types.js';

/** A request without an answer, which can be sent again. */
export interface Unsent {
  readonly exchangeId: string;
  readonly body: RunRequest;
  /** The `Idempotency-Key`, if it is not the exchange id. */
  readonly key?: string | undefined;
  /** The question and the answer before their replacement. */
  readonly original?: readonly ChatMessage[] | undefined;
  /** Whether to resend it automatically: the server did not reject it and the user did not stop it. */
  readonly isInterrupted: boolean;
}

/** The cached part of a thread, shown until the server responds. */
export interface CachedThread {
  /** The newest messages, oldest first. */
  readonly messages: ChatMessage[];
  /** The unanswered requests among them. */
  readonly unsent: readonly Unsent[];
  /** The cursor of the page before the oldest message; undefined if the cache left out messages. */
  readonly cursor?: string | null | undefined;
}

const PREFIX = 'hybrid-memory:messages:';
// A browser gives an origin about 5,000,000 characters.
const MAX_CHARACTERS = 1_000_000;
const MAX_CHARACTERS_PER_THREAD = 150_000;
const MAX_MESSAGES = 200;
const MAX_THREADS = 20;

/** Caches a thread. Removes the oldest cached threads if there is no room. */
export function cacheThread(persist: Persist, key: string, thread: CachedThread): void {
  withStorage(persist, (storage) => {
    const text = textOf(thread);
    if (text === undefined) {
      storage.removeItem(PREFIX + key);
      return;
    }
    const value = `${String(Date.now())} ${text}`;
    makeRoom(storage, PREFIX + key, MAX_THREADS - 1, MAX_CHARACTERS - value.length);
    try {
      storage.setItem(PREFIX + key, value);
    } catch {
      // Other programs have filled the storage. Remove all other threads.
      makeRoom(storage, PREFIX + key, 0, 0);
      storage.removeItem(PREFIX + key);
      storage.setItem(PREFIX + key, value);
    }
  });
}

/** Returns a cached thread; undefined if it is missing or unreadable. */
export function cachedThread(persist: Persist, key: string): CachedThread | undefined {
  const value = withStorage(persist, (storage) => storage.getItem(PREFIX + key));
  if (typeof value !== 'string') return undefined;
  try {
    const thread: unknown = JSON.parse(value.slice(value.indexOf(' ') + 1));
    return isCachedThread(thread) ? thread : undefined;
  } catch {
    // Another program wrote this entry. The server has the messages.
    return undefined;
  }
}

/** Removes a thread from both storages. */
export function dropThread(key: string): void {
  for (const persist of ['session', 'local'] as const) {
    withStorage(persist, (storage) => {
      storage.removeItem(PREFIX + key);
    });
  }
}

/** Removes the threads of other users: those whose keys have none of these prefixes. */
export function dropOtherThreads(prefixes: readonly string[]): void {
  for (const persist of ['session', 'local'] as const) {
    withStorage(persist, (storage) => {
      for (const { key } of entriesOf(storage)) {
        if (!prefixes.some((prefix) => key.startsWith(PREFIX + prefix))) storage.removeItem(key);
      }
    });
  }
}

function textOf({ messages, unsent, cursor }: CachedThread): string | undefined {
  for (let count = Math.min(messages.length, MAX_MESSAGES); count > 0; count = Math.floor(count / 2)) {
    const newest = messages.slice(-count).map(({ error: _, ...message }) => message);
    const requests = unsent.filter((each) => newest.some(({ exchangeId }) => exchangeId === each.exchangeId));
    const isComplete = count === messages.length;
    const text = JSON.stringify({ messages: newest, unsent: requests, ...(isComplete && { cursor }) });
    if (text.length <= MAX_CHARACTERS_PER_THREAD) return text;
  }
  return undefined;
}

interface Entry {
  readonly key: string;
  readonly savedAt: number;
  readonly length: number;
}

/** Removes the oldest entries, but not `except`, until the others are at most this many threads and characters. */
function makeRoom(storage: Storage, except: string, threads: number, characters: number): void {
  const others = entriesOf(storage)
    .filter(({ key }) => key !== except)
    .sort((one, other) => other.savedAt - one.savedAt);
  let length = 0;
  others.forEach((entry, index) => {
    length += entry.length;
    if (index >= threads || length > characters) storage.removeItem(entry.key);
  });
}

function entriesOf(storage: Storage): Entry[] {
  const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '');
  return keys
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => {
      const value = storage.getItem(key) ?? '';
      return { key, savedAt: Number.parseInt(value, 10) || 0, length: value.length };
    });
}

function isCachedThread(thread: unknown): thread is CachedThread {
  if (!isObject(thread)) return false;
  const { messages, unsent, cursor } = thread;
  const isCursor = cursor === undefined || cursor === null || typeof cursor === 'string';
  return isCursor && isListOf(messages, isMessage) && isListOf(unsent, isUnsent);
}

function isListOf(list: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(list) && list.every(isItem);
}

function isUnsent(request: unknown): request is Unsent {
  return isObject(request) && typeof request['exchangeId'] === 'string' && isObject(request['body']);
}

function isMessage(message: unknown): message is ChatMessage {
  if (!isObject(message)) return false;
  const { id, exchangeId, role, content, createdAt, status } = message;
  return (
    typeof id === 'string' &&
    (exchangeId === null || typeof exchangeId === 'string') &&
    (role === 'user' || role === 'assistant') &&
    typeof content === 'string' &&
    typeof createdAt === 'string' &&
    (status === 'pending' || status === 'sent' || status === 'failed')
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
