import { useEffect, useRef, useState, type FormEvent, type MouseEvent } from 'react';
import { isCurrent, type Evidence, type Memory, type ShownMemory } from '@hybrid-memory/react';
import { formatDayAndTime } from '../format.ts';
import type { FoundExchange } from '../hooks/use-found-exchange.ts';

const MAX_TEXT = 500;
const MAX_QUOTES = 3;

interface Props {
  memory: ShownMemory;
  /** The memory that replaced it, if it is listed. */
  successor: Memory | undefined;
  onOpen: (exchange: FoundExchange) => void;
  onCorrect: (text: string) => Promise<boolean>;
  onForget: () => void;
}

/** One memory with its quotes. A summary cannot be corrected, and a memory that has ended can only be forgotten. */
export function MemoryItem({ memory, successor, onOpen, onCorrect, onForget }: Props) {
  const [mode, setMode] = useState<'shown' | 'correcting' | 'forgetting'>('shown');
  const correctButton = useRef<HTMLButtonElement>(null);
  const forgetButton = useRef<HTMLButtonElement>(null);
  const now = new Date();
  const hasEnded = !isCurrent(memory, now);
  const canCorrect = memory.kind !== 'summary' && !hasEnded;

  function close(button: 'correct' | 'forget'): void {
    setMode('shown');
    // Focus in the next frame, because the button is not shown before.
    requestAnimationFrame(() => (button === 'correct' ? correctButton : forgetButton).current?.focus());
  }

  return (
    <li className="memory" data-ended={hasEnded} aria-busy={memory.isPending}>
      {mode === 'correcting' ? (
        <Correction
          memory={memory}
          onSave={async (text) => {
            if (await onCorrect(text)) close('correct');
          }}
          onCancel={() => close('correct')}
        />
      ) : (
        <p className="known-text">
          {memory.key !== null && <span className="key">{memory.key}: </span>}
          <bdi>{memory.text}</bdi>
        </p>
      )}
      <p className="detail">{detailOf(memory, successor, now)}</p>
      {memory.evidence.slice(0, MAX_QUOTES).map((evidence) => (
        <Quote key={`${evidence.exchangeId} ${evidence.quote}`} evidence={evidence} onOpen={onOpen} />
      ))}
      {mode === 'forgetting' && (
        <div className="confirm" role="group" aria-label={`Forget “${memory.text}”?`}>
          <p>Forget this for good? It will not be learned again from earlier messages.</p>
          <span className="actions">
            <button type="button" className="button small danger" onClick={onForget} autoFocus>
              Forget for good
            </button>
            <button type="button" className="button small" onClick={() => close('forget')}>
              Keep
            </button>
          </span>
        </div>
      )}
      {mode === 'shown' && (
        <span className="actions">
          {canCorrect && (
            <button
              ref={correctButton}
              type="button"
              className="button small"
              aria-label={`Correct ${memory.text}`}
              disabled={memory.isPending}
              onClick={() => setMode('correcting')}
            >
              Correct
            </button>
          )}
          <button
            ref={forgetButton}
            type="button"
            className="button small"
            aria-label={`Forget ${memory.text}`}
            disabled={memory.isPending}
            onClick={() => setMode('forgetting')}
          >
            Forget
          </button>
        </span>
      )}
    </li>
  );
}

function detailOf(memory: ShownMemory, successor: Memory | undefined, now: Date): string {
  if (memory.isPending) return 'Saving …';
  const origin = memory.kind === 'summary' ? 'Summary' : memory.source === 'explicit' ? 'Set by you' : 'Learned';
  const since = `${origin}, since ${formatDayAndTime(memory.validFrom, now)}`;
  if (memory.validTo === null) return since;
  const until = `${since}, until ${formatDayAndTime(memory.validTo, now)}`;
  return successor ? `${until}, then “${successor.text}”` : until;
}

interface QuoteProps {
  evidence: Evidence;
  onOpen: (exchange: FoundExchange) => void;
}

/** The words that a memory is learned from, as a link to their message. */
function Quote({ evidence, onOpen }: QuoteProps) {
  const { threadId, exchangeId, quote } = evidence;
  function open(event: MouseEvent): void {
    // A new tab opens the thread by its URL.
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    onOpen({ threadId, exchangeId });
  }
  return (
    <blockquote>
      <a dir="auto" href={`#thread=${encodeURIComponent(threadId)}`} onClick={open} title="Open the message">
        “{quote}”
      </a>
    </blockquote>
  );
}

interface CorrectionProps {
  memory: Memory;
  onSave: (text: string) => Promise<void>;
  onCancel: () => void;
}

/** A field for a memory's new text. Enter saves, Escape cancels. */
function Correction({ memory, onSave, onCancel }: CorrectionProps) {
  const [text, setText] = useState(memory.text);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  function save(event: FormEvent): void {
    event.preventDefault();
    if (text.trim() === memory.text) onCancel();
    else if (text.trim() !== '') void onSave(text.trim());
  }
  return (
    <form className="correction" onSubmit={save}>
      <input
        ref={field}
        aria-label={`New text of ${memory.key ?? memory.text}`}
        value={text}
        maxLength={MAX_TEXT}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onCancel();
        }}
      />
      <span className="actions">
        <button type="submit" className="button small primary">
          Save
        </button>
        <button type="button" className="button small" onClick={onCancel}>
          Cancel
        </button>
      </span>
    </form>
  );
}
