import { useCallback, useEffect, useRef, useState } from 'react';

export interface Polled<T> {
  /** What was answered last, also while the newest question went wrong. */
  readonly data: T | undefined;
  /** Why the newest question went wrong. */
  readonly error: Error | undefined;
  /** When `data` came, by `performance.now()`. */
  readonly at: number;
  /** When `data` was asked for: what changed since may not be in it. */
  readonly askedAt: number;
  /** Asks now. */
  readonly refresh: () => void;
}

interface State<T> {
  readonly key: string;
  readonly data: T | undefined;
  readonly error: Error | undefined;
  readonly at: number;
  readonly askedAt: number;
}

/**
 * Asks again and again, each time so many milliseconds after the answer before; not while nobody sees the page.
 *
 * With another `key` it is another question: what was answered to the one before is forgotten.
 */
export function usePoll<T>(
  key: string | null,
  ask: (signal: AbortSignal) => Promise<T>,
  everyMs: (answer: T | undefined) => number,
): Polled<T> {
  const [state, setState] = useState<State<T>>();
  const asked = useRef({ ask, everyMs });
  const again = useRef<() => void>(() => undefined);
  useEffect(() => {
    asked.current = { ask, everyMs };
  });

  useEffect(() => {
    if (key === null) return undefined;
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isAsking = false;
    let isWanted = false;
    let known: T | undefined;

    const go = async (): Promise<void> => {
      clearTimeout(timer);
      if (isAsking) {
        isWanted = true;
        return;
      }
      if (document.hidden) return;
      isAsking = true;
      isWanted = false;
      const askedAt = performance.now();
      try {
        known = await asked.current.ask(controller.signal);
        if (controller.signal.aborted) return;
        setState({ key, data: known, error: undefined, at: performance.now(), askedAt });
      } catch (caught) {
        if (controller.signal.aborted) return;
        const error = caught instanceof Error ? caught : new Error(String(caught));
        setState((before) => ({
          key,
          data: before?.key === key ? before.data : undefined,
          error,
          at: before?.key === key ? before.at : performance.now(),
          askedAt: before?.key === key ? before.askedAt : askedAt,
        }));
      } finally {
        isAsking = false;
      }
      if (isWanted) void go();
      else timer = setTimeout(() => void go(), asked.current.everyMs(known));
    };

    const onVisible = (): void => {
      if (!document.hidden) void go();
    };
    again.current = () => void go();
    document.addEventListener('visibilitychange', onVisible);
    void go();
    return () => {
      controller.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
      again.current = () => undefined;
    };
  }, [key]);

  const refresh = useCallback(() => {
    again.current();
  }, []);
  const current = state?.key === key ? state : undefined;
  return { data: current?.data, error: current?.error, at: current?.at ?? 0, askedAt: current?.askedAt ?? 0, refresh };
}
