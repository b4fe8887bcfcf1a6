import type { ChatMessage } from '@hybrid-memory/react';
import { formatDayAndTime, formatMilliseconds } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { LayerBadge, durabilityText } from '../parts/badge.tsx';

interface Props {
  message: ChatMessage;
  /** The memory report of an answer; undefined if another tab or an earlier visit received the answer. */
  turn: Turn | undefined;
  /** Whether the user has opened the message from the results of a search. */
  isFound: boolean;
  onRetry: () => void;
}

/** One message. An answer also shows where its memory came from and where the exchange is stored. */
export function Message({ message, turn, isFound, onRetry }: Props) {
  const { role, content, createdAt, status, error } = message;
  return (
    <article
      className="message"
      data-role={role}
      data-status={status}
      data-found={isFound || undefined}
      tabIndex={isFound ? -1 : undefined}
    >
      <header>
        <span className="who">{role === 'user' ? 'You' : 'Agent'}</span>
        <time dateTime={createdAt}>{formatDayAndTime(createdAt, new Date())}</time>
      </header>
      <p className="text">{content}</p>
      {turn && (
        <footer>
          <span className="visually-hidden">Memory: </span>
          <LayerBadge turn={turn} />
          <span className="detail">
            Answered in {formatMilliseconds(turn.latencyMs)}
            {turn.recallMs !== undefined && <>, memory in {formatMilliseconds(turn.recallMs)}</>}
          </span>
          <span className="detail" data-durability={turn.durability}>
            {durabilityText(turn.durability)}
          </span>
        </footer>
      )}
      {status === 'pending' && <footer className="detail">Sending …</footer>}
      {status === 'failed' && (
        <footer>
          <span className="detail failed">{error?.isAbort ? 'Stopped.' : 'Not sent.'}</span>
          <button type="button" className="button small" onClick={onRetry}>
            Send again
          </button>
        </footer>
      )}
    </article>
  );
}
