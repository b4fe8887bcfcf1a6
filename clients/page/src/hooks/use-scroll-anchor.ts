import { useCallback, useEffect, useLayoutEffect, useRef, type RefObject } from 'react';

/**
 * Keeps the scroll position when earlier messages are inserted, and moves the focus to the
 * conversation when the button that loads them disappears.
 *
 * Returns a function to call before earlier messages are loaded.
 */
export function useScrollAnchor(
  log: RefObject<HTMLElement | null>,
  threadId: string | null,
  firstId: string | undefined,
  hasMore: boolean,
): () => void {
  const before = useRef({ threadId, firstId, fromEnd: 0 });
  const isLoadingMore = useRef(false);

  useEffect(() => {
    const box = log.current;
    if (!box) return undefined;
    const onScroll = (): void => {
      before.current.fromEnd = box.scrollHeight - box.scrollTop;
    };
    box.addEventListener('scroll', onScroll, { passive: true });
    return () => box.removeEventListener('scroll', onScroll);
  }, [log]);

  // Run after every render, because each may change the height of the conversation.
  useLayoutEffect(() => {
    const box = log.current;
    if (!box) return;
    const { current } = before;
    const isSameThread = current.threadId === threadId && current.firstId !== undefined;
    if (isSameThread && current.firstId !== firstId) box.scrollTop = box.scrollHeight - current.fromEnd;
    before.current = { threadId, firstId, fromEnd: box.scrollHeight - box.scrollTop };
  });

  useEffect(() => {
    if (hasMore || !isLoadingMore.current) return;
    isLoadingMore.current = false;
    if (document.activeElement === document.body) log.current?.focus({ preventScroll: true });
  }, [hasMore, log]);

  return useCallback(() => {
    isLoadingMore.current = true;
  }, []);
}
