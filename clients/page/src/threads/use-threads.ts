import { useCallback, useEffect, useRef, useState } from 'react';
import type { Api, ThreadItem, ThreadsPage } from '../api/client.ts';
import type { Poll } from '../hooks/use-poll.ts';

export interface Threads {
  /** The loaded threads, newest first; undefined before the first page. */
  readonly items: readonly ThreadItem[] | undefined;
  /** Whether the server has more threads. */
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  /** Why the list may be out of date or incomplete. */
  readonly error: Error | undefined;
  /** Loads the next page. */
  readonly loadMore: () => void;
  /** Requests the first page now. */
  readonly refresh: () => void;
  /** Adds a thread, or replaces it. */
  readonly put: (thread: ThreadItem) => void;
  /** Removes a deleted thread. */
  readonly remove: (threadId: string) => void;
}

interface Known {
  /** Identifies the user and the token. */
  readonly key: string;
  readonly items: readonly ThreadItem[];
  /** The cursor of the page after the last loaded one; null after the last page, undefined before the first page. */
  readonly cursor: string | null | undefined;
}

/**
 * The user's threads: the first page, which the page polls, and the further pages, which are loaded on demand.
 *
 * The open thread is loaded too if it is on a page that is not loaded.
 */
export function useThreads(api: Api, userId: string, first: Poll<ThreadsPage>, current: string | null): Threads {
  const key = `${api.version} ${userId}`;
  const [known, setKnown] = useState<Known>({ key, items: [], cursor: undefined });
  const [error, setError] = useState<Error>();
  const [isLoadingMore, setIsLoadingMore] = useState(false);
  const isLoading = useRef(false);

  const page = first.data;
  useEffect(() => {
    if (!page) return;
    setKnown((before) => {
      const { items, cursor } = before.key === key ? before : { items: [], cursor: undefined };
      const isLongerThanPage = cursor !== undefined && items.length > page.items.length;
      return { key, items: withFirstPage(items, page), cursor: isLongerThanPage && page.next_cursor !== null ? cursor : page.next_cursor };
    });
  }, [key, page]);

  const put = useCallback((thread: ThreadItem) => {
    setKnown((before) => ({ ...before, items: newestFirst([...without(before.items, thread.thread_id), thread]) }));
  }, []);
  const remove = useCallback((threadId: string) => {
    setKnown((before) => ({ ...before, items: without(before.items, threadId) }));
  }, []);

  const isCurrent = known.key === key && known.cursor !== undefined;
  const { cursor } = known;
  const loadMore = useCallback(() => {
    if (!isCurrent || typeof cursor !== 'string' || isLoading.current) return;
    isLoading.current = true;
    setIsLoadingMore(true);
    setError(undefined);
    api
      .threads(userId, cursor)
      .then(
        ({ items, next_cursor }) =>
          setKnown((before) => {
            if (before.key !== key) return before;
            const loaded = new Set(before.items.map(({ thread_id }) => thread_id));
            const added = items.filter(({ thread_id }) => !loaded.has(thread_id));
            return { key, items: newestFirst([...before.items, ...added]), cursor: next_cursor };
          }),
        (caught: unknown) => setError(caught instanceof Error ? caught : new Error(String(caught))),
      )
      .finally(() => {
        isLoading.current = false;
        setIsLoadingMore(false);
      });
  }, [api, userId, key, isCurrent, cursor]);

  const isMissing =
    isCurrent && typeof cursor === 'string' && current !== null && known.items.every(({ thread_id }) => thread_id !== current);
  useEffect(() => {
    if (!isMissing || current === null) return undefined;
    const controller = new AbortController();
    api.thread(current, controller.signal).then(
      (thread) => {
        if (thread) put(thread);
      },
      // The list is complete without the thread, and the chat shows its own error.
      () => undefined,
    );
    return () => controller.abort();
  }, [api, current, isMissing, put]);

  return {
    items: isCurrent ? known.items : undefined,
    hasMore: isCurrent && typeof cursor === 'string',
    isLoadingMore,
    error: first.error ?? error,
    loadMore,
    refresh: first.refresh,
    put,
    remove,
  };
}

/** Returns the threads with a new first page. A thread that the page no longer has is deleted, or older than the page. */
function withFirstPage(items: readonly ThreadItem[], page: ThreadsPage): ThreadItem[] {
  const oldest = page.items.at(-1);
  if (!oldest || page.next_cursor === null) return page.items;
  const onPage = new Set(page.items.map(({ thread_id }) => thread_id));
  const older = items.filter(({ thread_id, updated_at }) => !onPage.has(thread_id) && updated_at <= oldest.updated_at);
  return newestFirst([...page.items, ...older]);
}

function without(items: readonly ThreadItem[], threadId: string): ThreadItem[] {
  return items.filter(({ thread_id }) => thread_id !== threadId);
}

function newestFirst(items: ThreadItem[]): ThreadItem[] {
  return items.sort((one, other) => (one.updated_at < other.updated_at ? 1 : one.updated_at > other.updated_at ? -1 : 0));
}
