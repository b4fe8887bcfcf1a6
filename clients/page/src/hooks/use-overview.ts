import { useCallback, useEffect, useMemo, useRef } from 'react';
import {
  ApiError,
  type Api,
  type Layers,
  type Overview,
  type OverviewPart,
  type Preferences,
  type Status,
  type Stores,
  type ThreadsPage,
} from '../api/client.ts';
import { usePoll, type Poll } from './use-poll.ts';

const IDLE_MS = 4_000;
/** While an exchange waits to be stored. */
const BUSY_MS = 1_000;
/** The first polls after an answer, because the drain usually stores it within a second. */
const EAGER_MS = 250;
const EAGER_FOR_MS = 2_000;
/** How old a part may be before the next poll includes it. */
const MAX_AGE_MS: Record<OverviewPart, number> = {
  thread: 0,
  backlog: BUSY_MS,
  stores: IDLE_MS,
  memories: IDLE_MS,
  preferences: 20_000,
  threads: 15_000,
};
const PARTS = Object.keys(MAX_AGE_MS) as OverviewPart[];

/** One part of the overview, from the newest response that had it. */
interface Part<T> {
  readonly data: T | undefined;
  /** Why the server could not read it. */
  readonly error: Error | undefined;
  readonly receivedAt: number;
  readonly requestedAt: number;
}

interface Parts {
  readonly thread: Part<Layers | null> & { readonly threadId: string | null };
  readonly backlog: Part<Status>;
  readonly stores: Part<Stores>;
  readonly memories: Part<string>;
  readonly preferences: Part<Preferences>;
  readonly threads: Part<ThreadsPage>;
}

const NOTHING = { data: undefined, error: undefined, receivedAt: 0, requestedAt: -Infinity };
const NO_PARTS: Parts = {
  thread: { ...NOTHING, threadId: null },
  backlog: NOTHING,
  stores: NOTHING,
  memories: NOTHING,
  preferences: NOTHING,
  threads: NOTHING,
};

/** Everything that the page watches, from one poll. */
export interface WatchedOverview {
  /** The current thread in both layers; null if it does not exist yet. */
  readonly thread: Poll<Layers | null>;
  readonly backlog: Poll<Status>;
  readonly stores: Poll<Stores>;
  /** A version that changes with the user's memories. */
  readonly memories: Poll<string>;
  readonly preferences: Poll<Preferences>;
  /** The first page of the user's threads. */
  readonly threads: Poll<ThreadsPage>;
  /** Why the newest poll got no response. */
  readonly error: Error | undefined;
}

/** Polls the overview: `isWaiting` says that an exchange of the thread is not known to be stored. */
export function useOverview(api: Api, userId: string, threadId: string | null, isWaiting: boolean): WatchedOverview {
  const key = `${api.version} ${userId}`;
  const known = useRef({ key, parts: NO_PARTS });
  const expired = useRef(new Set<OverviewPart>());
  const waitsSince = useRef<number>(undefined);
  useEffect(() => {
    waitsSince.current = isWaiting ? performance.now() : undefined;
  }, [isWaiting]);

  // A user who returns sees everything as it is now. This runs before the poll's own listener.
  useEffect(() => {
    const expireAll = (): void => PARTS.forEach((part) => expired.current.add(part));
    document.addEventListener('visibilitychange', expireAll);
    window.addEventListener('online', expireAll);
    return () => {
      document.removeEventListener('visibilitychange', expireAll);
      window.removeEventListener('online', expireAll);
    };
  }, []);

  async function request(signal: AbortSignal): Promise<Parts> {
    if (known.current.key !== key) known.current = { key, parts: NO_PARTS };
    const before = known.current;
    const now = performance.now();
    const due = PARTS.filter(
      (part) => expired.current.has(part) || now - before.parts[part].requestedAt >= MAX_AGE_MS[part],
    ).filter((part) => part !== 'thread' || threadId !== null);
    if (due.length === 0) return before.parts;
    expired.current.clear();
    const answer = await api.overview(userId, threadId, due, signal);
    const parts = merge(before.parts, answer, { due, threadId, requestedAt: now });
    if (!signal.aborted) known.current = { key, parts };
    return parts;
  }

  const poll = usePoll(key, request, (parts) => {
    const since = waitsSince.current;
    if (since !== undefined) return performance.now() - since < EAGER_FOR_MS ? EAGER_MS : BUSY_MS;
    return (parts?.thread.data?.undrained ?? 0) > 0 ? BUSY_MS : IDLE_MS;
  });
  const { refresh: pollNow, data: parts = NO_PARTS, error } = poll;
  useEffect(() => pollNow(), [threadId, pollNow]);

  const refresh = useCallback(
    (part: OverviewPart) => {
      expired.current.add(part);
      pollNow();
    },
    [pollNow],
  );
  const refreshes = useMemo(
    () => Object.fromEntries(PARTS.map((part) => [part, () => refresh(part)])) as Record<OverviewPart, () => void>,
    [refresh],
  );
  const isCurrent = parts.thread.threadId === threadId;
  return {
    thread: { ...(isCurrent ? parts.thread : NO_PARTS.thread), refresh: refreshes.thread },
    backlog: { ...parts.backlog, refresh: refreshes.backlog },
    stores: { ...parts.stores, refresh: refreshes.stores },
    memories: { ...parts.memories, refresh: refreshes.memories },
    preferences: { ...parts.preferences, refresh: refreshes.preferences },
    threads: { ...parts.threads, refresh: refreshes.threads },
    error,
  };
}

interface Answered {
  readonly due: readonly OverviewPart[];
  readonly threadId: string | null;
  readonly requestedAt: number;
}

/** Returns the parts with those of a response. A part that the server could not read keeps its data. */
function merge(before: Parts, answer: Overview, { due, threadId, requestedAt }: Answered): Parts {
  const receivedAt = performance.now();
  function part<T>(name: OverviewPart, data: T | null | undefined, old: Part<T>): Part<T> {
    if (!due.includes(name)) return old;
    const problem = answer.problems[name];
    if (problem) return { ...old, error: new ApiError(problem.status, problem.detail), requestedAt };
    return { data: data ?? undefined, error: undefined, receivedAt, requestedAt };
  }
  const sameThread = before.thread.threadId === threadId ? before.thread : NO_PARTS.thread;
  const isMissing = answer.problems['thread']?.status === 404;
  const thread: Part<Layers | null> = isMissing
    ? { data: null, error: undefined, receivedAt, requestedAt }
    : part('thread', answer.thread, sameThread);
  return {
    thread: { ...thread, threadId },
    backlog: part('backlog', answer.backlog, before.backlog),
    stores: part('stores', answer.stores && withNewestTimes(answer.stores, before.stores.data), before.stores),
    memories: part('memories', answer.memories?.version, before.memories),
    preferences: part('preferences', answer.preferences, before.preferences),
    threads: part('threads', answer.threads, before.threads),
  };
}

/** Returns the stores with the newest time at which each responded to any process of the server. */
function withNewestTimes(stores: Stores, before: Stores | undefined): Stores {
  const newest = (name: keyof Stores): Stores[keyof Stores] => {
    const times = [stores[name].responded_at, before?.[name].responded_at].filter((time) => typeof time === 'string');
    return { ...stores[name], responded_at: times.sort().at(-1) ?? null };
  };
  return { redis: newest('redis'), postgres: newest('postgres'), queue: newest('queue') };
}
