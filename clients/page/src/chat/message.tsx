import type { ChatMessage } from '@hybrid-memory/react';
import { dayAndTime, milliseconds } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { LayerBadges } from '../parts/badge.tsx';

const KEPT: Record<Turn['durability'], string> = {
  queue: 'kept by the queue',
  postgres: 'kept by PostgreSQL',
  redis: 'kept by Redis until the others are back',
  none: 'not kept: no store answered',
};

interface Props {
  message: ChatMessage;
  /** What its answer said of the memory; undefined for what this tab did not ask itself. */
  turn: Turn | undefined;
  onRetry: () => void;
}

/** One message, and under an answer where its context came from. */
export function Message({ message, turn, onRetry }: Props) {
  const { role, content, createdAt, status, error } = message;
  return (
    <article className="message" data-role={role} data-status={status}>
      <header>
        <span className="who">{role === 'user' ? 'You' : 'Agent'}</span>
        <time dateTime={createdAt}>{dayAndTime(createdAt, new Date())}</time>
      </header>
      <p className="text">{content}</p>
      {turn && (
        <footer>
          <span className="visually-hidden">Memory served by: </span>
          <LayerBadges turn={turn} />
          <span className="detail">
            {milliseconds(turn.latencyMs)}
            {turn.recallMs !== undefined && <>, memory {milliseconds(turn.recallMs)}</>}
          </span>
          <span className="detail" data-kept={turn.durability}>
            {KEPT[turn.durability]}
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
