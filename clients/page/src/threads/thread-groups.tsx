import { useEffect, useId, useRef } from 'react';
import type { ThreadItem } from '../api/client.ts';
import { formatCount, formatDayAndTime } from '../format.ts';
import { groupByDay, type DayGroup } from './day-groups.ts';
import { useRovingFocus } from './use-roving-focus.ts';
import type { Threads } from './use-threads.ts';

interface Props {
  threads: Threads;
  shown: readonly ThreadItem[];
  /** Whether the threads are those that match a query, which have no days. */
  isSearching: boolean;
  current: string | null;
  onSelect: (threadId: string) => void;
}

/** Threads by day, and the button that loads more. All threads together are one tab stop. */
export function ThreadGroups({ threads, shown, isSearching, current, onSelect }: Props) {
  const { tabStop, container } = useRovingFocus(
    shown.map(({ thread_id }) => thread_id),
    current,
  );
  const id = useId();
  const now = new Date();
  const groups: DayGroup[] = isSearching ? [{ name: 'Titles', threads: shown }] : groupByDay(shown, now);
  const { hasMore } = threads;
  // How many threads were shown when the button that loads more had the focus.
  const shownBefore = useRef<number>(undefined);
  useEffect(() => {
    if (hasMore || shownBefore.current === undefined) return;
    const first = container.ref.current?.querySelectorAll<HTMLElement>('[data-item]')[shownBefore.current];
    shownBefore.current = undefined;
    // The button disappears after the last page, so its focus moves to the first new thread.
    if (document.activeElement === document.body) first?.focus();
  }, [hasMore, container.ref]);
  return (
    <>
      <div className="groups" role="group" aria-label="Conversations" aria-describedby={`${id}-keys`} {...container}>
        {(shown.length > 0 ? groups : []).map((group) => (
          <section key={group.name} aria-label={group.name}>
            <h3>{group.name}</h3>
            <ul>
              {group.threads.map((thread) => (
                <li key={thread.thread_id}>
                  <button
                    type="button"
                    data-item={thread.thread_id}
                    tabIndex={thread.thread_id === tabStop ? 0 : -1}
                    aria-current={thread.thread_id === current ? 'true' : undefined}
                    onClick={() => onSelect(thread.thread_id)}
                  >
                    <span className="title" dir="auto">
                      {thread.title ?? thread.thread_id}
                    </span>
                    <span className="detail">
                      <time dateTime={thread.updated_at}>{formatDayAndTime(thread.updated_at, now)}</time> ·{' '}
                      {formatCount(thread.message_count, 'message')}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
      <p id={`${id}-keys`} hidden>
        Arrow keys move between threads.
      </p>
      {hasMore && (
        <span
          className="more-threads"
          onFocus={() => (shownBefore.current = shown.length)}
          onBlur={() => (shownBefore.current = undefined)}
        >
          <MoreThreads threads={threads} isSearching={isSearching} />
        </span>
      )}
    </>
  );
}

/** Loads more threads when the user scrolls to the end of the list, or presses the button. */
function MoreThreads({ threads, isSearching }: { threads: Threads; isSearching: boolean }) {
  const { isLoadingMore, loadMore, error } = threads;
  const button = useRef<HTMLButtonElement>(null);
  const hasFailed = error !== undefined;
  useEffect(() => {
    // Only the button loads older titles during a search, because few titles may match.
    if (!button.current || isSearching || isLoadingMore || hasFailed) return undefined;
    const observer = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting) loadMore();
    });
    observer.observe(button.current);
    return () => observer.disconnect();
  }, [isSearching, isLoadingMore, hasFailed, loadMore]);
  return (
    <button ref={button} type="button" className="button small" aria-disabled={isLoadingMore} onClick={loadMore}>
      {isLoadingMore ? 'Loading …' : isSearching ? 'Search older titles' : 'Show older threads'}
    </button>
  );
}
