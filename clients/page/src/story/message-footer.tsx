import type { ChatMessage } from '@hybrid-memory/react';
import { formatCount, formatMilliseconds } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { LayerBadge } from '../parts/badge.tsx';
import { RECEIPT_MARKS, receiptText, type Receipt } from './receipts.ts';
import { SeenDialog } from './seen-dialog.tsx';
import { useStory } from './story-context.ts';

/** Below a message: where an answer's memory came from, which store has the exchange, and buttons that show more. */
export function MessageFooter({ message, turn }: { message: ChatMessage; turn: Turn | undefined }) {
  const { receipts, selected, select } = useStory();
  const { exchangeId, role, status } = message;
  const receipt = receipts.get(exchangeId ?? '');
  if (exchangeId === null || status !== 'sent' || (!turn && !receipt)) return null;
  if (role === 'user') return receipt ? <footer className="receipts">{<ReceiptLine receipt={receipt} isShort />}</footer> : null;
  return (
    <footer className="receipts">
      {turn && (
        <>
          <span className="visually-hidden">Memory: </span>
          <LayerBadge turn={turn} />
          <span className="detail">
            Answered in {formatMilliseconds(turn.latencyMs)}
            {turn.recallMs !== undefined && <>, memory in {formatMilliseconds(turn.recallMs)}</>}
          </span>
        </>
      )}
      {receipt && <ReceiptLine receipt={receipt} />}
      <span className="story-actions">
        <button type="button" className="link" aria-pressed={selected === exchangeId} onClick={() => select(exchangeId)}>
          What happened
        </button>
        {turn?.counts && <SeenDialog exchangeId={exchangeId} turn={turn} label={`What it saw (${countsText(turn.counts)})`} />}
      </span>
    </footer>
  );
}

function ReceiptLine({ receipt, isShort = false }: { receipt: Receipt; isShort?: boolean }) {
  const text = receiptText(receipt);
  return (
    <span className="receipt" data-state={receipt.state} title={isShort ? text : undefined}>
      <span aria-hidden="true">{RECEIPT_MARKS[receipt.state]}</span>{' '}
      <span className={isShort ? 'visually-hidden' : undefined}>{text}</span>
    </span>
  );
}

/** Formats what the agent got: `2 messages, 1 preference`. */
function countsText({ messages, preferences, memories, related }: NonNullable<Turn['counts']>): string {
  const parts = [formatCount(messages, 'message')];
  if (preferences > 0) parts.push(formatCount(preferences, 'preference'));
  if (memories > 0) parts.push(formatCount(memories, 'memory', 'memories'));
  if (related > 0) parts.push(formatCount(related, 'related exchange'));
  return parts.join(', ');
}
