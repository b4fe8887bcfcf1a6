import { useEffect, useState } from 'react';
import { useSearch, type SearchItem, type UseSearchResult } from '@hybrid-memory/react';
import type { Api } from '../api/client.ts';
import { formatCount } from '../format.ts';
import type { FoundExchange } from '../hooks/use-found-exchange.ts';
import { notRespondingText } from '../parts/badge.tsx';
import { Loading } from '../parts/panel.tsx';
import { useRovingFocus } from '../threads/use-roving-focus.ts';
import { Hit } from './hit.tsx';

const MAX_ITEMS = 20;

interface Props {
  api: Api;
  userId: string;
  query: string;
  /** The exchange that the user has opened. */
  opened: FoundExchange | undefined;
  onOpen: (item: SearchItem) => void;
}

/** The messages that match a query, the best first. */
export function SearchResults({ api, userId, query, opened, onOpen }: Props) {
  const search = useSearch({ query, userId, baseUrl: api.baseUrl, fetch: api.fetch, limit: MAX_ITEMS });
  const { status, items, error } = search;
  const { tabStop, container } = useRovingFocus(
    items.map(({ exchangeId }) => exchangeId),
    opened?.exchangeId ?? null,
  );
  const isNothing = status === 'ready' && items.length === 0 && search.isComplete;
  return (
    <section aria-label="Messages" aria-busy={status === 'loading'}>
      <h3>Messages</h3>
      {error && (
        <div className="fault" role="alert">
          <p>{error.detail}</p>
          <button type="button" className="button small" onClick={search.refresh}>
            Search again
          </button>
        </div>
      )}
      {status === 'loading' && items.length === 0 && <Loading what="results" />}
      {isNothing && <p className="hint">No matching messages</p>}
      {status === 'ready' && !search.isComplete && <p className="note">{incompleteText(search)}</p>}
      <div {...container}>
        <ul className="hits">
        {items.map((item) => (
          <Hit
            key={item.exchangeId}
            item={item}
            isOpened={opened?.exchangeId === item.exchangeId}
            isTabStop={item.exchangeId === tabStop}
            onOpen={() => onOpen(item)}
          />
        ))}
        </ul>
      </div>
      <StatusLine search={search} />
    </section>
  );
}

function incompleteText({ degraded }: UseSearchResult): string {
  const layers = degraded.filter((layer) => layer !== 'search');
  if (layers.length === 0) return 'Not everything could be searched, so some messages may be missing here.';
  return `${notRespondingText(layers)}, so some messages may be missing here.`;
}

/** The number of results for screen readers. */
function StatusLine({ search }: { search: UseSearchResult }) {
  const { status, items, isComplete } = search;
  const [text, setText] = useState('');
  const found = items.length === 0 && isComplete ? 'No matching messages.' : `${formatCount(items.length, 'message')} found.`;
  const missing = isComplete ? '' : ' Some messages may be missing.';
  const now = status === 'ready' ? found + missing : '';
  // Set in an effect: screen readers do not announce the initial content of a live region.
  useEffect(() => setText(now), [now]);
  return (
    <p role="status" className="visually-hidden">
      {text}
    </p>
  );
}
