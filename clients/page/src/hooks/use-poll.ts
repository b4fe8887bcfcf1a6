import { useCallback, useEffect, useRef, useState } from 'react';

export interface Poll<T> {
  /** The newest response. It stays if later requests fail. */
  readonly data: T | undefined;
  /** The error of the newest request, if it failed. */
  readonly error: Error | undefined;
  /** The `performance.now()` at which `data` arrived. */
  readonly receivedAt: number;
  /** The `performance.now()` at which `data` was requested. Later changes may be missing from it. */
  readonly requestedAt: number;
  /** Requests the data now. */
  readonly refresh: () => void;
}

interface State<T> {
  readonly key: string;
  readonly data: T | undefined;
  readonly error: Error | undefined;
  readonly receivedAt: number;
  readonly requestedAt: number;
}

/**
 * Polls the API: sends each request `everyMs` after the previous response, and pauses while the page is hidden.
 *
 * A new `key` starts a new poll and drops the data of the previous one.
 */
export function usePoll<T>(
  key: string | null,
  request: (signal: AbortSignal) => Promise<T>,
  everyMs: (data: T | undefined) => number,
): Poll<T> {
  const [state, setState] = useState<State<T>>();
  const options = useRef({ request, everyMs });
  const pollNow = useRef<() => void>(() => undefined);
  useEffect(() => {
    options.current = { request, everyMs };
  });

  useEffect(() => {
    if (key === null) return undefined;
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isRunning = false;
    let isRepeatRequested = false;
    let data: T | undefined;

    const poll = async (): Promise<void> => {
      clearTimeout(timer);
      if (isRunning) {
        isRepeatRequested = true;
        return;
      }
      if (document.hidden) return;
      isRunning = true;
      isRepeatRequested = false;
      const requestedAt = performance.now();
      try {
        data = await options.current.request(controller.signal);
        if (controller.signal.aborted) return;
        setState({ key, data, error: undefined, receivedAt: performance.now(), requestedAt });
      } catch (caught) {
        if (controller.signal.aborted) return;
        const error = caught instanceof Error ? caught : new Error(String(caught));
        setState((before) => ({
          key,
          data: before?.key === key ? before.data : undefined,
          error,
          receivedAt: before?.key === key ? before.receivedAt : performance.now(),
          requestedAt: before?.key === key ? before.requestedAt : requestedAt,
        }));
      } finally {
        isRunning = false;
      }
      if (isRepeatRequested) void poll();
      else timer = setTimeout(() => void poll(), options.current.everyMs(data));
    };

    const onVisible = (): void => {
      if (!document.hidden) void poll();
    };
    pollNow.current = () => void poll();
    document.addEventListener('visibilitychange', onVisible);
    // The network is back.
    window.addEventListener('online', onVisible);
    void poll();
    return () => {
      controller.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
      window.removeEventListener('online', onVisible);
      pollNow.current = () => undefined;
    };
  }, [key]);

  const refresh = useCallback(() => {
    pollNow.current();
  }, []);
  const current = state?.key === key ? state : undefined;
  return { data: current?.data, error: current?.error, receivedAt: current?.receivedAt ?? 0, requestedAt: current?.requestedAt ?? 0, refresh };
}
