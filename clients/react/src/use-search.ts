'use client';

import { useCallback, useEffect, useRef, useState } from 'react';
import type { AgentChatError } from './errors.js';
import type { Connection } from '#client/http.js';
import { search, type FoundMemory, type SearchItem, type SearchResult, type SearchScope } from './search.js';

const DEBOUNCE_MS = 200;

export interface UseSearchOptions extends Connection, SearchScope {
  /** What the user has typed. A query of only whitespace is not sent. */
  readonly query: string;
  /** How long to wait for more input before each request, in milliseconds. Default: 200. */
  readonly debounceMs?: number | undefined;
}

export interface UseSearchResult {
  /** `idle` without a query, `loading` from a change of the query until its result or error arrives. */
  readonly status: 'idle' | 'loading' | 'ready' | 'error';
  /** The found exchanges, the best first. While a new search loads, those of the previous query. */
  readonly items: SearchItem[];
  /** The found memories, the best first; empty unless `kinds` has `memory`. */
  readonly memories: FoundMemory[];
  /** Whether the search looked at everything. Only then, `ready` without items means that nothing matches. */
  readonly isComplete: boolean;
  /** Layers that did not respond. */
  readonly degraded: string[];
  /** Every exchange that was accepted up to this time was looked at; null if this time is unknown. */
  readonly searchedUpTo: string | null;
  readonly error: AgentChatError | undefined;
  /** Searches again. */
  readonly refresh: () => void;
}

/** The end of a search. */
interface Finished {
  /** Identifies the search. */
  readonly key: string;
  /** Identifies the server and the user. */
  readonly owner: string;
  readonly result?: SearchResult;
  readonly error?: AgentChatError;
}

/**
 * A search while the user types: waits for a pause in the input, aborts the previous request, ignores late responses.
 *
 * Results of another user or server are never shown.
 */
export function useSearch(options: UseSearchOptions): UseSearchResult {
  const { query, userId, baseUrl, limit, threadId, excludeThreadId, since, until, kinds } = options;
  const [finished, setFinished] = useState<Finished>();
  const [refreshes, setRefreshes] = useState(0);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });

  const owner = JSON.stringify([baseUrl, userId]);
  const scope = [limit, threadId, excludeThreadId, since?.getTime(), until?.getTime(), kinds];
  const key = query.trim() === '' ? null : JSON.stringify([owner, query, scope, refreshes]);
  // The next query starts without the results of the queries before the field was emptied.
  if (key === null && finished !== undefined) setFinished(undefined);

  useEffect(() => {
    if (key === null) return undefined;
    const controller = new AbortController();
    const finish = (end: Pick<Finished, 'result' | 'error'>): void => {
      if (!controller.signal.aborted) setFinished({ key, owner, ...end });
    };
    const timer = setTimeout(() => {
      const { query: text, ...more } = latest.current;
      search(text, { ...more, signal: controller.signal }).then(
        (result) => {
          finish({ result });
        },
        (error: unknown) => {
          finish({ error: error as AgentChatError });
        },
      );
    }, latest.current.debounceMs ?? DEBOUNCE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [key, owner]);

  const refresh = useCallback(() => {
    setRefreshes((count) => count + 1);
  }, []);
  const shown = key !== null && finished?.owner === owner ? finished : undefined;
  const isFinished = shown?.key === key;
  return {
    status: statusOf(key, isFinished ? shown : undefined),
    items: shown?.result?.items ?? [],
    memories: shown?.result?.memories ?? [],
    isComplete: shown?.result?.isComplete ?? false,
    degraded: shown?.result?.degraded ?? [],
    searchedUpTo: shown?.result?.searchedUpTo ?? null,
    error: isFinished ? shown.error : undefined,
    refresh,
  };
}

function statusOf(key: string | null, finished: Finished | undefined): UseSearchResult['status'] {
  if (key === null) return 'idle';
  if (finished === undefined) return 'loading';
  return finished.error ? 'error' : 'ready';
}
