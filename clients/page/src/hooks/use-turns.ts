import { useCallback, useState } from 'react';
import type { ChatMessage, TurnContext } from '@hybrid-memory/react';
import { attempt } from './use-stored.ts';

/** What a turn's answer said of the memory, and how long that took. */
export interface Turn extends Pick<TurnContext, 'source' | 'degraded' | 'durability' | 'cached' | 'latencyMs'> {
  /** What reading the memory took on the server; undefined if the server did not say. */
  readonly recallMs?: number | undefined;
}

const KEY = 'hybrid-memory:page:turns';
const MOST = 200;

/** The turns of this tab by exchange: the history tells what was said, not which layer served it. */
export function useTurns(): [ReadonlyMap<string, Turn>, (message: ChatMessage) => void] {
  const [turns, setTurns] = useState(read);
  const note = useCallback((message: ChatMessage) => {
    const { exchangeId, context } = message;
    if (exchangeId === null || context === undefined) return;
    setTurns((before) => {
      const after = new Map(
        [...before, [exchangeId, { ...context, recallMs: context.timings['recall'] }] as const].slice(-MOST),
      );
      attempt(() => window.sessionStorage.setItem(KEY, JSON.stringify([...after])));
      return after;
    });
  }, []);
  return [turns, note];
}

function read(): Map<string, Turn> {
  return (
    attempt(() => {
      const stored: unknown = JSON.parse(window.sessionStorage.getItem(KEY) ?? '[]');
      return new Map(Array.isArray(stored) ? (stored as [string, Turn][]).filter(isEntry) : []);
    }) ?? new Map<string, Turn>()
  );
}

function isEntry(entry: unknown): boolean {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string') return false;
  const turn: unknown = entry[1];
  return typeof turn === 'object' && turn !== null && 'source' in turn && 'degraded' in turn && 'latencyMs' in turn;
}
