import type { RunRequest } from './api.js';
import { withStorage, type Persist } from './storage.js';
import type { ChatMessage } from './types.js';

/** A request that ended without an answer, and can be sent again. */
export interface Unsent {
  readonly exchangeId: string;
  readonly body: RunRequest;
  /** Whether it ended by itself, so that it shall go on by itself too, and not by a refusal or by the person's wish. */
  readonly isLost: boolean;
}

/** What is kept of a thread, to be shown before the server answers, or while it cannot. */
export interface CachedThread {
  /** The newest messages, oldest first. */
  readonly messages: ChatMessage[];
  /** The requests of those that the server did not answer. */
  readonly unsent: readonly Unsent[];
  /** Where the page before the oldest message begins; undefined if messages were left out, so that it is not known. */
  readonly cursor?: string | null | undefined;
}

const PREFIX = 'hybrid-memory:messages:';
// A browser gives a page about 5,000,000 characters.
const MOST_CHARACTERS = 1_000_000;
const MOST_CHARACTERS_A_THREAD = 150_000;
const MOST_MESSAGES = 200;
const MOST_THREADS = 20;

/** Keeps a thread, in place of what was kept of it before; those not kept for the longest time make room. */
export function cacheThread(persist: Persist, key: string, thread: CachedThread): void {
  withStorage(persist, (storage) => {
    const text = textOf(thread);
    if (text === undefined) {
      storage.removeItem(PREFIX + key);
      return;
    }
    const value = `${String(Date.now())} ${text}`;
    makeRoom(storage, PREFIX + key, MOST_THREADS - 1, MOST_CHARACTERS - value.length);
    try {
      storage.setItem(PREFIX + key, value);
    } catch {
      // Others fill the storage, too. What is older than this thread is worth less than this thread.
      makeRoom(storage, PREFIX + key, 0, 0);
      storage.removeItem(PREFIX + key);
      storage.setItem(PREFIX + key, value);
    }
  });
}

/** Returns what was kept of a thread; undefined if that is nothing, or cannot be read. */
export function cachedThread(persist: Persist, key: string): CachedThread | undefined {
  const value = withStorage(persist, (storage) => storage.getItem(PREFIX + key));
  if (typeof value !== 'string') return undefined;
  try {
    const thread: unknown = JSON.parse(value.slice(value.indexOf(' ') + 1));
    return isCachedThread(thread) ? thread : undefined;
  } catch {
    // Something else wrote there; the server has the messages.
    return undefined;
  }
}

/** Forgets a thread, wherever it was kept. */
export function dropThread(key: string): void {
  for (const persist of ['session', 'local'] as const) {
    withStorage(persist, (storage) => {
      storage.removeItem(PREFIX + key);
    });
  }
}

/** Forgets the threads whose keys begin with none of these: they are other users'. */
export function dropOtherThreads(beginnings: readonly string[]): void {
  for (const persist of ['session', 'local'] as const) {
    withStorage(persist, (storage) => {
      for (const { key } of entriesOf(storage)) {
        if (!beginnings.some((beginning) => key.startsWith(PREFIX + beginning))) storage.removeItem(key);
      }
    });
  }
}

function textOf({ messages, unsent, cursor }: CachedThread): string | undefined {
  for (let count = Math.min(messages.length, MOST_MESSAGES); count > 0; count = Math.floor(count / 2)) {
    const kept = messages.slice(-count).map(({ error: _, ...message }) => message);
    const requests = unsent.filter((each) => kept.some(({ exchangeId }) => exchangeId === each.exchangeId));
    const isWhole = count === messages.length;
    const text = JSON.stringify({ messages: kept, unsent: requests, ...(isWhole && { cursor }) });
    if (text.length <= MOST_CHARACTERS_A_THREAD) return text;
  }
  return undefined;
}

interface Entry {
  readonly key: string;
  readonly savedAt: number;
  readonly length: number;
}

/** Removes the oldest entries but one until no more than so many threads and characters are left beside it. */
function makeRoom(storage: Storage, but: string, threads: number, characters: number): void {
  const others = entriesOf(storage)
    .filter(({ key }) => key !== but)
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
