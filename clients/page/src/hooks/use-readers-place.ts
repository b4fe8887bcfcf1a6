import { useCallback, useEffect, useLayoutEffect, useRef, type RefObject } from 'react';

/**
 * Keeps what is read where it is when earlier messages come before it, and the focus when the button for more goes.
 *
 * Returns what to call when earlier messages are asked for.
 */
export function useReadersPlace(
  log: RefObject<HTMLElement | null>,
  threadId: string | null,
  firstId: string | undefined,
  hasMore: boolean,
): () => void {
  const before = useRef({ threadId, firstId, fromEnd: 0 });
  const hasAsked = useRef(false);

  useEffect(() => {
    const box = log.current;
    if (!box) return undefined;
    const onScroll = (): void => {
      before.current.fromEnd = box.scrollHeight - box.scrollTop;
    };
    box.addEventListener('scroll', onScroll, { passive: true });
    return () => box.removeEventListener('scroll', onScroll);
  }, [log]);

  // After every render, because any may change how high the conversation is.
  useLayoutEffect(() => {
    const box = log.current;
    if (!box) return;
    const { current } = before;
    const isSameThread = current.threadId === threadId && current.firstId !== undefined;
    if (isSameThread && current.firstId !== firstId) box.scrollTop = box.scrollHeight - current.fromEnd;
    before.current = { threadId, firstId, fromEnd: box.scrollHeight - box.scrollTop };
  });

  useEffect(() => {
    if (hasMore || !hasAsked.current) return;
    hasAsked.current = false;
    if (document.activeElement === document.body) log.current?.focus({ preventScroll: true });
  }, [hasMore, log]);

  return useCallback(() => {
    hasAsked.current = true;
  }, []);
}
