/** Where to store the id of the current thread across reloads: per tab, per browser, or not at all. */
export type Persist = 'session' | 'local' | false;

const MAX_ID_LENGTH = 255;

/** Returns a storage scope: one for each deployment and user. */
export function scopeOf(baseUrl: string, userId: string | null): string {
  return JSON.stringify([baseUrl, userId]);
}

/** Returns the stored thread id; undefined if it is missing or invalid. */
export function restoreThreadId(persist: Persist, scope: string): string | undefined {
  const stored = withStorage(persist, (storage) => storage.getItem(keyOf(scope)));
  if (typeof stored !== 'string') return undefined;
  try {
    const entry: unknown = JSON.parse(stored);
    const id = typeof entry === 'object' && entry !== null && 'threadId' in entry ? entry.threadId : undefined;
    return typeof id === 'string' && id.length > 0 && id.length <= MAX_ID_LENGTH ? id : undefined;
  } catch {
    // Another program wrote this entry, or only a part of it. Start a new thread.
    return undefined;
  }
}

/** Stores the thread id, if there is a storage. */
export function storeThreadId(persist: Persist, scope: string, threadId: string): void {
  withStorage(persist, (storage) => {
    storage.setItem(keyOf(scope), JSON.stringify({ threadId }));
  });
}

function keyOf(scope: string): string {
  return `hybrid-memory:thread:${scope}`;
}

/** Returns the result of a storage access; undefined without a usable storage. */
export function withStorage<T>(persist: Persist, access: (storage: Storage) => T): T | undefined {
  if (persist === false || typeof window === 'undefined') return undefined;
  try {
    return access(persist === 'local' ? window.localStorage : window.sessionStorage);
  } catch {
    // Private mode, a full quota or a sandboxed frame. The chat works, but a reload starts a new thread.
    return undefined;
  }
}
