'use client';

import { baseUrlOf, send, type Connection } from '#client/http.js';
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { isObject } from './api.js';
import { unsendableError } from './errors.js';
import { OptimisticStore, type StoreSnapshot } from './optimistic-store.js';

type Preferences = Readonly<Record<string, string>>;

export interface UsePreferencesResult extends Omit<StoreSnapshot<Preferences>, 'value'> {
  /** The preferences by name, with the changes that are not stored yet. */
  readonly preferences: Preferences;
  /** Sets a preference. Returns false if this failed, and the value before is shown again. */
  readonly set: (name: string, value: string) => Promise<boolean>;
  /** Removes a preference. Returns false if this failed, and it is shown again. */
  readonly remove: (name: string) => Promise<boolean>;
  readonly refresh: () => Promise<void>;
  readonly clearError: () => void;
}

const NONE: Preferences = {};

/**
 * The explicit preferences of a user. Changes are shown at once, and reverted if the server does not store them.
 *
 * Preferences of another user or server are never shown. Without a user id, the hook is idle.
 */
export function usePreferences(userId: string | null | undefined, connection: Connection = {}): UsePreferencesResult {
  const request = async (signal: AbortSignal, body?: Record<string, string | null>): Promise<Preferences> => {
    const method = body ? 'PATCH' : 'GET';
    const path = pathOf(userId ?? '');
    const [answer] = await send(connection, { path, method, signal, isAnswer: isPreferences, ...(body && { body }) });
    return answer;
  };
  const read = typeof userId === 'string' ? (signal: AbortSignal): Promise<Preferences> => request(signal) : null;
  const baseUrl = baseUrlOf(connection);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- The effect below updates the other options.
  const store = useMemo(() => new OptimisticStore<Preferences>(NONE, read), [baseUrl, userId]);
  const snapshot = useSyncExternalStore(
    store.subscribe,
    () => store.snapshot,
    () => store.snapshot,
  );
  useEffect(() => {
    store.configure(read);
  });
  useEffect(() => store.mount(), [store]);
  const { value: preferences, ...state } = snapshot;
  const merge = async (name: string, value: string | null): Promise<boolean> => {
    if (!read) return false;
    const change = (before: Preferences): Preferences => {
      const { [name]: _, ...rest } = before;
      return value === null ? rest : { ...rest, [name]: value };
    };
    return store.change(
      change,
      () => request(new AbortController().signal, { [name]: value }),
      (_, stored) => stored,
    );
  };
  const refresh = (): Promise<void> => store.refresh();
  return {
    ...state,
    preferences,
    set: merge,
    remove: (name) => merge(name, null),
    refresh,
    clearError: store.clearError,
  };
}

function isPreferences(body: unknown): body is Preferences {
  return isObject(body) && Object.values(body).every((value) => typeof value === 'string');
}

function pathOf(userId: string): string {
  try {
    return `/users/${encodeURIComponent(userId)}/preferences`;
  } catch (error) {
    throw unsendableError(error);
  }
}
