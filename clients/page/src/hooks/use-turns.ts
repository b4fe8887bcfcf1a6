import { useCallback, useState } from 'react';
import type { ChatMessage, TurnContext } from '@hybrid-memory/react';
import { tryStorage } from './use-stored.ts';

/** The memory report of a turn, with its latency. */
export interface Turn extends Pick<TurnContext, 'source' | 'degraded' | 'durability' | 'cached' | 'latencyMs'> {
  /** How long the server read the memory; undefined if the response has no such timing. */
  readonly recallMs?: number | undefined;
}

const KEY = 'hybrid-memory:page:turns';
const MAX_TURNS = 200;

interface Turns {
  readonly turns: ReadonlyMap<string, Turn>;
  readonly addTurn: (message: ChatMessage) => void;
  readonly markStored: (exchangeIds: readonly (string | null)[]) => void;
}

/** The memory reports of this tab's turns, by exchange id. The history does not have them. */
export function useTurns(): Turns {
  const [turns, setTurns] = useState(readTurns);

  const addTurn = useCallback((message: ChatMessage) => {
    const { exchangeId, context } = message;
    if (exchangeId === null || context === undefined) return;
    const turn = { ...context, recallMs: context.timings['recall'] };
    setTurns((before) => saveTurns(new Map([...before, [exchangeId, turn] as const].slice(-MAX_TURNS))));
  }, []);

  const markStored = useCallback((exchangeIds: readonly (string | null)[]) => {
    const stored = new Set(exchangeIds);
    setTurns((before) => {
      const hasChanged = [...before].some(([id, { durability }]) => durability !== 'postgres' && stored.has(id));
      if (!hasChanged) return before;
      const marked = [...before].map(
        ([id, turn]) => [id, stored.has(id) ? { ...turn, durability: 'postgres' as const } : turn] as const,
      );
      return saveTurns(new Map(marked));
    });
  }, []);

  return { turns, addTurn, markStored };
}

function saveTurns(turns: Map<string, Turn>): Map<string, Turn> {
  tryStorage(() => window.sessionStorage.setItem(KEY, JSON.stringify([...turns])));
  return turns;
}

function readTurns(): Map<string, Turn> {
  return (
    tryStorage(() => {
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
