import { useId, useState } from 'react';
import type { SearchItem } from '@hybrid-memory/react';
import type { Api, ThreadItem } from '../api/client.ts';
import { formatCount, formatDayAndTime } from '../format.ts';
import type { FoundExchange } from '../hooks/use-found-exchange.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { Loading } from '../parts/panel.tsx';
import { SearchResults } from '../search/search-results.tsx';

interface Props {
  api: Api;
  userId: string;
  threads: Poll<ThreadItem[]>;
  current: string | null;
  /** The exchange that the user has opened from the results of a search. */
  found: FoundExchange | undefined;
  onSelect: (threadId: string) => void;
  onOpen: (item: SearchItem) => void;
  onNew: () => void;
}

/** The user's threads, newest first. With a query, the titles and messages that match it. */
export function ThreadList({ api, userId, threads, current, found, onSelect, onOpen, onNew }: Props) {
  const [query, setQuery] = useState('');
  const id = useId();
  const searchWords = query.toLowerCase().split(/\s+/).filter(Boolean);
  const isSearching = searchWords.length > 0;
  const shownThreads = threads.data?.filter(({ title, thread_id }) => {
    const text = `${title ?? ''} ${thread_id}`.toLowerCase();
    return searchWords.every((word) => text.includes(word));
  });
  const list = (
    <ul>
      {shownThreads?.map((thread) => (
        <ThreadButton
          key={thread.thread_id}
          thread={thread}
          isCurrent={thread.thread_id === current}
          onSelect={() => onSelect(thread.thread_id)}
        />
      ))}
    </ul>
  );

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
        type="search"
        placeholder="Search messages"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      {threads.error && (
        <p className="fault" role="alert">
          {threads.error.message}
        </p>
      )}
      {shownThreads === undefined && !threads.error && <Loading what="threads" />}
      {shownThreads?.length === 0 && !isSearching && <p className="hint">No conversations yet</p>}
      <div className="threads-body">
        {isSearching ? (
          <>
            {shownThreads && shownThreads.length > 0 && (
              <section aria-label="Titles">
                <h3>Titles</h3>
                {list}
              </section>
            )}
            {/* A new token searches again. */}
            <SearchResults key={api.version} api={api} userId={userId} query={query} opened={found} onOpen={onOpen} />
          </>
        ) : (
          list
        )}
      </div>
    </nav>
  );
}

interface ThreadButtonProps {
  thread: ThreadItem;
  isCurrent: boolean;
  onSelect: () => void;
}

function ThreadButton({ thread, isCurrent, onSelect }: ThreadButtonProps) {
  return (
    <li>
      <button type="button" aria-current={isCurrent ? 'true' : undefined} onClick={onSelect}>
        <span className="title">{thread.title ?? thread.thread_id}</span>
        <span className="detail">
          {formatDayAndTime(thread.updated_at, new Date())} · {formatCount(thread.message_count, 'message')}
        </span>
      </button>
    </li>
  );
}
