import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useMemories } from '@hybrid-memory/react';
import type { Api } from '../api/client.ts';
import { formatCount } from '../format.ts';
import type { FoundExchange } from '../hooks/use-found-exchange.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { notRespondingText } from '../parts/badge.tsx';
import { Loading, Panel } from '../parts/panel.tsx';
import { MemoryItem } from './memory-item.tsx';

const MAX_TEXT = 500;

interface Props {
  api: Api;
  userId: string;
  /** Changes with the user's memories. */
  version: Poll<string>;
  /** Opens the message that a memory quotes. */
  onOpen: (exchange: FoundExchange) => void;
}

/** What is known about the user: each memory with its quotes. The user can correct, forget and add memories. */
export function KnownMemories({ api, userId, version, onOpen }: Props) {
  const [showsHistory, setShowsHistory] = useState(false);
  const known = useMemories(userId, { baseUrl: api.baseUrl, fetch: api.fetch, includeSuperseded: showsHistory });
  const { status, memories, degraded, omitted, error, refresh } = known;
  const [announcement, setAnnouncement] = useState('');
  const field = useRef<HTMLInputElement>(null);

  // Memories are learned a moment after a message is stored.
  const { data: newest, error: failure } = version;
  const hasFailed = failure !== undefined;
  useEffect(() => {
    if (newest !== undefined || hasFailed) void refresh();
  }, [newest, hasFailed, refresh]);

  async function add(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const text = field.current?.value.trim() ?? '';
    if (text === '') return;
    const added = await known.add({ text });
    setAnnouncement(added ? 'Added.' : '');
    // The user may have typed the next memory during the request.
    if (added && field.current?.value.trim() === text) field.current.value = '';
  }

  async function forget(id: string): Promise<void> {
    // The focused button disappears with its memory.
    field.current?.focus();
    setAnnouncement((await known.forget(id)) ? 'Forgotten.' : '');
  }

  return (
    <Panel title="What the agent knows about you" className="known">
      {error && (
        <div className="fault" role="alert">
          <p>{error.detail}</p>
          <button
            type="button"
            className="button small"
            onClick={() => {
              known.clearError();
              void refresh();
            }}
          >
            Load again
          </button>
        </div>
      )}
      {status === 'loading' && <Loading what="what is known" />}
      {status === 'ready' && memories.length === 0 && degraded.length === 0 && (
        <p className="hint">Nothing yet. What you tell the agent about yourself appears here, with your words.</p>
      )}
      {degraded.length > 0 && (
        <p className="note">{notRespondingText(degraded)}, so some of what is known may be missing here.</p>
      )}
      <ul className="memories">
        {memories.map((memory) => (
          <MemoryItem
            key={memory.id}
            memory={memory}
            successor={memories.find(({ id }) => id === memory.supersededBy)}
            onOpen={onOpen}
            onCorrect={async (text) => {
              const corrected = await known.correct(memory.id, text);
              setAnnouncement(corrected ? 'Corrected.' : '');
              return corrected !== undefined;
            }}
            onForget={() => void forget(memory.id)}
          />
        ))}
      </ul>
      {omitted > 0 && <p className="hint">{formatCount(omitted, 'older memory', 'older memories')} not shown</p>}
      <form className="add-memory" onSubmit={(event) => void add(event)}>
        <input ref={field} aria-label="New memory" placeholder="Lives in Rome" maxLength={MAX_TEXT} required />
        <button type="submit" className="button small">
          Add
        </button>
      </form>
      <label className="history">
        <input type="checkbox" checked={showsHistory} onChange={(event) => setShowsHistory(event.target.checked)} />
        Show what is no longer true
      </label>
      <p role="status" className="visually-hidden">
        {announcement}
      </p>
    </Panel>
  );
}
