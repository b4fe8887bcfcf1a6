import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';
import type { ChatMessage } from '@hybrid-memory/react';

/** How close to its end the reader counts as being at the end of the conversation, in pixels. */
const NEAR_END = 48;

interface Following {
  /** Whether messages have arrived below, while the reader is further up. */
  readonly hasNew: boolean;
  /** Scrolls to the newest message. */
  readonly showNewest: () => void;
}

/**
 * Keeps the newest message in view for a reader who is at the end of the conversation, and for one who has just sent a
 * message. A reader who is further up is not moved.
 *
 * `isPaused`: another message is to be shown.
 */
export function useFollow(
  log: RefObject<HTMLElement | null>,
  threadId: string | null,
  messages: readonly ChatMessage[],
  isPaused: boolean,
): Following {
  // The message up to which new messages have been announced; undefined if the reader is at the end.
  const [newSince, setNewSince] = useState<string>();
  const isAtEnd = useRef(true);
  const seen = useRef<{ threadId: string | null; lastId: string | undefined }>({ threadId: null, lastId: undefined });
  const last = messages.at(-1);

  const showNewest = useCallback(() => {
    const box = log.current;
    if (!box) return;
    box.scrollTop = box.scrollHeight;
    isAtEnd.current = true;
    setNewSince(undefined);
  }, [log]);

  useEffect(() => {
    const box = log.current;
    if (!box) return undefined;
    const onScroll = (): void => {
      isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
      if (isAtEnd.current) setNewSince(undefined);
    };
    // The height changes with the window, the field for the message and the keyboard of a phone.
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) box.scrollTop = box.scrollHeight;
    });
    // The receipts below the messages appear later than the messages.
    const changes = new MutationObserver(() => {
      if (isAtEnd.current) box.scrollTop = box.scrollHeight;
    });
    box.addEventListener('scroll', onScroll, { passive: true });
    observer.observe(box);
    changes.observe(box, { childList: true, subtree: true });
    return () => {
      box.removeEventListener('scroll', onScroll);
      observer.disconnect();
      changes.disconnect();
    };
  }, [log]);

  const lastId = last?.id;
  const isOwn = last?.role === 'user' && last.status === 'pending';
  useLayoutEffect(() => {
    const before = seen.current;
    const isOtherThread = before.threadId !== threadId;
    const isNew = before.lastId !== lastId;
    seen.current = { threadId, lastId };
    if (isPaused) {
      isAtEnd.current = false;
      return;
    }
    if (isOtherThread || isAtEnd.current || (isNew && isOwn)) showNewest();
    else if (isNew && lastId !== undefined) setNewSince(lastId);
  }, [threadId, lastId, isOwn, last?.status, isPaused, showNewest]);

  return { hasNew: newSince !== undefined, showNewest };
}
