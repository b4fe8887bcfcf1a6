import { useEffect, useMemo, useRef } from 'react';
import type { ChatMessage } from '@hybrid-memory/react';
import type { Layers } from '../api/client.ts';
import { formatMilliseconds } from '../format.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { isAllStored, storedAfter, storedRow, type Turn } from '../hooks/use-turns.ts';

/** The store that is known to hold an exchange. */
export interface Receipt {
  /** `outbox`: only Redis holds it, until the queue or PostgreSQL is back. `lost`: no store has it. */
  readonly state: 'queued' | 'stored' | 'outbox' | 'lost';
  /** How long after its acceptance PostgreSQL stored it. */
  readonly storedAfterMs?: number | undefined;
}

/** Returns the receipts of the conversation's exchanges. What the page does not know has none. */
export function useReceipts(
  messages: readonly ChatMessage[],
  turns: ReadonlyMap<string, Turn>,
  layers: Poll<Layers | null>,
): ReadonlyMap<string, Receipt> {
  // When the page first showed an exchange. An earlier request may not know it.
  const firstShown = useRef(new Map<string, number>());
  useEffect(() => {
    for (const { exchangeId } of messages) {
      if (exchangeId !== null && !firstShown.current.has(exchangeId)) firstShown.current.set(exchangeId, performance.now());
    }
  }, [messages]);
  const { data, requestedAt } = layers;
  return useMemo(() => {
    const receipts = new Map<string, Receipt>();
    for (const { exchangeId, status, revision } of messages) {
      if (exchangeId === null || status !== 'sent') continue;
      const turn = turns.get(exchangeId);
      const isNewer = requestedAt > (firstShown.current.get(exchangeId) ?? Infinity);
      const isOwn = turn !== undefined && (turn.revision ?? 0) >= (revision ?? 0);
      const receipt = isOwn ? receiptOfTurn(turn) : data ? receiptInLayers(data, exchangeId, revision ?? 0, isNewer) : undefined;
      if (receipt) receipts.set(exchangeId, receipt);
    }
    return receipts;
  }, [messages, turns, data, requestedAt]);
}

function receiptOfTurn({ durability, isStored, storedAfterMs }: Turn): Receipt {
  if (durability === 'none') return { state: 'lost' };
  if (isStored) return { state: 'stored', storedAfterMs };
  return { state: durability === 'redis' ? 'outbox' : 'queued' };
}

/** Returns the receipt of an exchange that another tab or an earlier visit sent. */
function receiptInLayers(layers: Layers, exchangeId: string, revision: number, isNewer: boolean): Receipt | undefined {
  const row = storedRow(layers, exchangeId, revision);
  if (row) return { state: 'stored', storedAfterMs: storedAfter(row) };
  const listed = layers.redis.messages.find((message) => message.exchange_id === exchangeId);
  if (listed?.is_drained === false) return { state: 'queued' };
  return isNewer && isAllStored(layers) ? { state: 'stored' } : undefined;
}

/** Returns a receipt in words: `Safe in the queue`, `Stored in PostgreSQL after 148 ms`. */
export function receiptText({ state, storedAfterMs }: Receipt): string {
  if (state === 'queued') return 'Safe in the queue';
  if (state === 'outbox') return 'Safe in Redis until PostgreSQL is back';
  if (state === 'lost') return 'Not saved';
  return storedAfterMs === undefined ? 'Stored in PostgreSQL' : `Stored in PostgreSQL after ${formatMilliseconds(storedAfterMs)}`;
}

export const RECEIPT_MARKS: Record<Receipt['state'], string> = { queued: '✓', stored: '✓✓', outbox: '✓', lost: '!' };
