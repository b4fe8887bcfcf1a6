'use client';
import { useState } from 'react';
import { highlightedParts, useSearch } from '@hybrid-memory/react';

interface Props {
  api: string;
  userId: string;
  onOpen: (threadId: string) => void;
}

export function Search({ api, userId, onOpen }: Props) {
  const [query, setQuery] = useState('');
  const { status, items, isComplete, error } = useSearch({ query, userId, baseUrl: api });
  return (
    <div role="search">
      <input
        type="search"
        aria-label="Search messages"
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
        }}
      />
      {error && <p role="alert">{error.detail}</p>}
      {status === 'ready' && !isComplete && <p>Not everything could be searched.</p>}
      {status === 'ready' && isComplete && items.length === 0 && <p>Nothing found</p>}
      <ul>
        {items.map(({ exchangeId, threadId, title, userMessage, highlights }) => (
          <li key={exchangeId}>
            <button
              onClick={() => {
                onOpen(threadId);
              }}
            >
              {title}
            </button>
            <p>
              {highlightedParts(
                userMessage,
                highlights.filter(({ field }) => field === 'userMessage'),
              ).map(({ text, isMatch }, index) => (isMatch ? <mark key={index}>{text}</mark> : text))}
            </p>
          </li>
        ))}
      </ul>
    </div>
  );
}
