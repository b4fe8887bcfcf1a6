import { useEffect, useId, useState, type KeyboardEvent, type RefObject } from 'react';
import type { SearchItem } from '@hybrid-memory/react';
import type { Api } from '../api/client.ts';
import { formatCount } from '../format.ts';
import type { FoundExchange } from '../hooks/use-found-exchange.ts';
import { Loading } from '../parts/panel.tsx';
import { SearchResults } from '../search/search-results.tsx';
import { ThreadGroups } from './thread-groups.tsx';
import type { Threads } from './use-threads.ts';

interface Props {
  api: Api;
  userId: string;
  threads: Threads;
  current: string | null;
  /** The exchange that the user has opened from the results of a search. */
  found: FoundExchange | undefined;
  /** The field of the search. */
  field: RefObject<HTMLInputElement | null>;
  onSelect: (threadId: string) => void;
  onOpen: (item: SearchItem) => void;
  onNew: () => void;
}

/** The user's threads, newest first. With a query, the titles and messages that match it. */
export function ThreadList({ api, userId, threads, current, found, field, onSelect, onOpen, onNew }: Props) {
  const [query, setQuery] = useState('');
  const id = useId();
  const searchWords = query.toLowerCase().split(/\s+/).filter(Boolean);
  const isSearching = searchWords.length > 0;
  const shown = threads.items?.filter(({ title, thread_id }) => {
    const text = `${title ?? ''} ${thread_id}`.toLowerCase();
    return searchWords.every((word) => text.includes(word));
  });
  const hasGroups = shown !== undefined && (shown.length > 0 || threads.hasMore);

  function onKeyDown(event: KeyboardEvent<HTMLInputElement>): void {
    if (event.key === 'Escape') setQuery('');
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    field.current?.closest('.threads')?.querySelector<HTMLElement>('[data-item][tabindex="0"]')?.focus();
  }

  return (
    <nav className="threads" aria-label="Threads">
      <div className="threads-head">
        <h2>Threads</h2>
        <button type="button" className="button" onClick={onNew}>
          New thread
        </button>
      </div>
      <label htmlFor={id} className="visually-hidden">
        Search messages and titles
      </label>
      <input
        id={id}
        ref={field}
        type="search"
        placeholder="Search messages"
        aria-keyshortcuts="Control+K Meta+K"
        dir={query === '' ? undefined : 'auto'}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {threads.error && (
        <p className="fault" role="alert">
          {threads.error.message}
        </p>
      )}
      {shown === undefined && !threads.error && <Loading what="threads" />}
      {shown?.length === 0 && !isSearching && <p className="hint">No conversations yet</p>}
      <div className="threads-body">
        {hasGroups && (
          <ThreadGroups
            key={isSearching ? 'search' : 'days'}
            threads={threads}
            shown={shown}
            isSearching={isSearching}
            current={current}
            onSelect={onSelect}
          />
        )}
        {isSearching && (
          // A new token searches again.
          <SearchResults key={api.version} api={api} userId={userId} query={query} opened={found} onOpen={onOpen} />
        )}
      </div>
      <LoadedStatus threads={threads} />
    </nav>
  );
}

/** Announces further threads to screen readers when they are loaded. */
function LoadedStatus({ threads }: { threads: Threads }) {
  const { items, isLoadingMore } = threads;
  const [countBefore, setCountBefore] = useState<number>();
  const [text, setText] = useState('');
  const count = items?.length ?? 0;
  useEffect(() => {
    if (isLoadingMore) setCountBefore((before) => before ?? count);
    else if (countBefore !== undefined) {
      setCountBefore(undefined);
      if (count > countBefore) setText(`${formatCount(count, 'thread')} loaded.`);
    }
  }, [isLoadingMore, count, countBefore]);
  return (
    <p role="status" className="visually-hidden">
      {text}
    </p>
  );
}
