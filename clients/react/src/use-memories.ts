'use client';

import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { baseUrlOf, type Connection } from '#client/http.js';
import { MemoriesStore, type MemoriesActions, type MemoriesSnapshot } from './memories-store.js';

export interface UseMemoriesOptions extends Connection {
  /** Whether memories that have ended are also listed. Default: false. */
  readonly includeSuperseded?: boolean | undefined;
}

export interface UseMemoriesResult extends MemoriesSnapshot, MemoriesActions {}

/**
 * What is known about a user. Changes are shown at once, and reverted if the server does not store them.
 *
 * Memories of another user or server are never shown. Without a user id, the hook is idle.
 */
export function useMemories(userId: string | null | undefined, options: UseMemoriesOptions = {}): UseMemoriesResult {
  const includeSuperseded = options.includeSuperseded ?? false;
  const source = { connection: options, userId: userId ?? null, includeSuperseded };
  const baseUrl = baseUrlOf(options);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- The effect below updates the other options.
  const store = useMemo(() => new MemoriesStore(source), [baseUrl, userId, includeSuperseded]);
  const snapshot = useSyncExternalStore(
    store.subscribe,
    () => store.snapshot,
    () => store.snapshot,
  );
  useEffect(() => {
    store.configure(source);
  });
  useEffect(() => store.mount(), [store]);
  return useMemo(() => {
    const { add, correct, forget, refresh, clearError } = store;
    return { ...snapshot, add, correct, forget, refresh, clearError };
  }, [snapshot, store]);
}
