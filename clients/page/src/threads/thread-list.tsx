import { useId, useState } from 'react';
import type { ThreadItem } from '../api/client.ts';
import { formatCount, formatDayAndTime } from '../format.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { Loading } from '../parts/panel.tsx';

interface Props {
  threads: Poll<ThreadItem[]>;
  current: string | null;
  onSelect: (threadId: string) => void;
  onNew: () => void;
}

/** The user's threads, newest first, with a search in their titles. */
export function ThreadList({ threads, current, onSelect, onNew }: Props) {
  const [query, setQuery] = useState('');
  const id = useId();
  const searchWords = query.toLowerCase().split(/\s+/).filter(Boolean);
  const shownThreads = threads.data?.filter(({ title, thread_id }) => {
    const text = `${title ?? ''} ${thread_id}`.toLowerCase();
    return searchWords.every((word) => text.includes(word));
  });
  const now = new Date();

  return (
    <nav className="threads" aria-label="Threads">
      <div className="threads-head">
        <h2>Threads</h2>
        <button type="button" className="button" onClick={onNew}>
          New thread
        </button>
      </div>
      <label htmlFor={id} className="visually-hidden">
        Search titles
      </label>
      <input
        id={id}
        type="search"
        placeholder="Search titles"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      {threads.error && (
        <p className="fault" role="alert">
          {threads.error.message}
        </p>
      )}
      {shownThreads === undefined && !threads.error && <Loading what="threads" />}
      {shownThreads?.length === 0 && (
        <p className="hint">{searchWords.length > 0 ? 'No matching titles' : 'No conversations yet'}</p>
      )}
      <ul>
        {shownThreads?.map((thread) => (
          <li key={thread.thread_id}>
            <button
              type="button"
              aria-current={thread.thread_id === current ? 'true' : undefined}
              onClick={() => onSelect(thread.thread_id)}
            >
              <span className="title">{thread.title ?? thread.thread_id}</span>
              <span className="detail">
                {formatDayAndTime(thread.updated_at, now)} · {formatCount(thread.message_count, 'message')}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}
