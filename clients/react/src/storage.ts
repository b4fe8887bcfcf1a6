/** Where the id of the current thread outlives a reload: per tab, per browser, or not at all. */
export type Persist = 'session' | 'local' | false;

const LONGEST_ID = 255;

/** Returns what keeps apart whose thread it is: the same tab may talk to two deployments, or change its user. */
export function scopeOf(baseUrl: string, userId: string | null): string {
  return JSON.stringify([baseUrl, userId]);
}

/** Returns the id that was remembered; undefined if there is none that could be one. */
export function recallThread(persist: Persist, scope: string): string | undefined {
  const stored = withStorage(persist, (storage) => storage.getItem(keyOf(scope)));
  if (typeof stored !== 'string') return undefined;
  try {
    const entry: unknown = JSON.parse(stored);
    const id = typeof entry === 'object' && entry !== null && 'threadId' in entry ? entry.threadId : undefined;
    return typeof id === 'string' && id.length > 0 && id.length <= LONGEST_ID ? id : undefined;
  } catch {
    // Something else wrote there, or half of it; a new thread is what the person would get without it too.
    return undefined;
  }
}

/** Remembers the id, where there is a place for it. */
export function rememberThread(persist: Persist, scope: string, threadId: string): void {
  withStorage(persist, (storage) => {
    storage.setItem(keyOf(scope), JSON.stringify({ threadId }));
  });
}

function keyOf(scope: string): string {
  return `hybrid-memory:thread:${scope}`;
}

/** Returns what the act returns, or undefined where there is no storage, or none that can be used. */
export function withStorage<T>(persist: Persist, act: (storage: Storage) => T): T | undefined {
  if (persist === false || typeof window === 'undefined') return undefined;
  try {
    return act(persist === 'local' ? window.localStorage : window.sessionStorage);
  } catch {
    // Private mode, a full quota, a sandboxed frame: the chat works, its thread ends with the page.
    return undefined;
  }
}
