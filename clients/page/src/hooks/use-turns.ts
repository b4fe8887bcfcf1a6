import { useCallback, useState } from 'react';
import type { ChatMessage, TurnContext } from '@hybrid-memory/react';
import type { Layers } from '../api/client.ts';
import { tryStorage } from './use-stored.ts';

type Selection = NonNullable<NonNullable<TurnContext['report']>['selection']>;

/** The memory report of a turn, with its latency and, later, when PostgreSQL stored it. */
export interface Turn extends Pick<TurnContext, 'source' | 'degraded' | 'durability' | 'cached' | 'latencyMs'> {
  /** How long the server read the memory; undefined if the response has no such timing. */
  readonly recallMs?: number | undefined;
  /** The durations of `Server-Timing` in milliseconds. */
  readonly timings?: Readonly<Record<string, number>>;
  readonly threadId?: string | null;
  /** How often the exchange had been replaced. */
  readonly revision?: number;
  /** The time of the answer, in milliseconds since the epoch by this browser's monotonic clock. */
  readonly answeredAt?: number;
  /** The size of the context that the agent got. */
  readonly contextTokens?: number;
  readonly counts?: Selection['counts'];
  readonly omitted?: Selection['omitted'];
  readonly isStored?: boolean;
  /** From the acceptance to the storage, by the clocks of the stores; undefined if it is unknown. */
  readonly storedAfterMs?: number | undefined;
}

const KEY = 'hybrid-memory:page:turns';
const MAX_TURNS = 200;
const MAX_SELECTIONS = 50;

interface Turns {
  readonly turns: ReadonlyMap<string, Turn>;
  /** What the agent got, by exchange id, only until the page is closed, because the contents are large. */
  readonly selections: ReadonlyMap<string, Selection>;
  readonly addTurn: (message: ChatMessage, threadId: string | null) => void;
  /** Marks the turns that PostgreSQL has. `requestedAt` is the `performance.now()` of the request. */
  readonly markStored: (layers: Layers, requestedAt: number) => void;
}

/** The memory reports of this tab's turns, by exchange id. The history does not have them. */
export function useTurns(): Turns {
  const [turns, setTurns] = useState(readTurns);
  const [selections, setSelections] = useState<ReadonlyMap<string, Selection>>(new Map());

  const addTurn = useCallback((message: ChatMessage, threadId: string | null) => {
    const { exchangeId, context, revision } = message;
    if (exchangeId === null || context === undefined) return;
    const { report, ...shown } = context;
    const selection = report?.selection;
    const turn: Turn = {
      ...shown,
      recallMs: context.timings['recall'],
      threadId,
      revision: revision ?? 0,
      answeredAt: performance.timeOrigin + performance.now(),
      ...(report && { contextTokens: report.context_tokens }),
      ...(selection && { counts: selection.counts, omitted: selection.omitted }),
      isStored: context.durability === 'postgres',
    };
    setTurns((before) => saveTurns(withNewest(before, exchangeId, turn, MAX_TURNS)));
    if (selection) setSelections((before) => withNewest(before, exchangeId, selection, MAX_SELECTIONS));
  }, []);

  const markStored = useCallback((layers: Layers, requestedAt: number) => {
    setTurns((before) => {
      const marked = [...before].map(([id, turn]) => [id, storedTurn(id, turn, layers, requestedAt)] as const);
      return marked.some(([id, turn]) => turn !== before.get(id)) ? saveTurns(new Map(marked)) : before;
    });
  }, []);

  return { turns, selections, addTurn, markStored };
}

/** Returns the turn as stored, if the layers show that PostgreSQL has it. */
function storedTurn(exchangeId: string, turn: Turn, layers: Layers, requestedAt: number): Turn {
  if (turn.durability === 'none' || (turn.isStored && turn.storedAfterMs !== undefined)) return turn;
  const row = storedRow(layers, exchangeId, turn.revision ?? 0);
  if (row) {
    const storedAfterMs = storedAfter(row);
    return turn.isStored && storedAfterMs === undefined ? turn : { ...turn, isStored: true, storedAfterMs };
  }
  const hasAll = turn.threadId === layers.thread_id && isAllStored(layers);
  const isNewer = performance.timeOrigin + requestedAt > (turn.answeredAt ?? Infinity);
  return hasAll && isNewer && !turn.isStored ? { ...turn, isStored: true } : turn;
}

/** Returns whether PostgreSQL has every exchange of the thread that was accepted before the request. */
export function isAllStored(layers: Layers): boolean {
  return layers.undrained === 0 && layers.lag_seconds !== null;
}

type Row = Layers['postgres']['messages'][number];

/** Returns PostgreSQL's row of an exchange, if PostgreSQL has at least this revision. */
export function storedRow(layers: Layers, exchangeId: string, revision: number): Row | undefined {
  const listed = layers.redis.messages.find((message) => message.exchange_id === exchangeId);
  if (listed?.is_drained === false) return undefined;
  return layers.postgres.messages.find((row) => row.exchange_id === exchangeId && row.revision >= revision);
}

/** Returns the milliseconds from an exchange's acceptance to its storage; undefined if they are unknown. */
export function storedAfter({ accepted_at: acceptedAt, stored_at: storedAt, revision }: Row): number | undefined {
  // A replacement keeps the time of the first acceptance.
  if (acceptedAt === null || storedAt === null || revision > 0) return undefined;
  const took = Date.parse(storedAt) - Date.parse(acceptedAt);
  // Redis' clock and PostgreSQL's may differ.
  return took >= 0 ? took : undefined;
}

function withNewest<T>(before: ReadonlyMap<string, T>, id: string, value: T, max: number): Map<string, T> {
  const others = [...before].filter(([other]) => other !== id);
  return new Map([...others, [id, value] as const].slice(-max));
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
