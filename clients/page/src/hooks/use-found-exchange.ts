import { useEffect, type RefObject } from 'react';
import type { UseAgentChatResult } from '@hybrid-memory/react';

/** An exchange that the user has opened from the results of a search. */
export interface FoundExchange {
  readonly threadId: string;
  readonly exchangeId: string;
}

/** `distant`: not among the newest messages, of which the page loads at most `MAX_MESSAGES`. */
export type FoundState = 'loading' | 'shown' | 'missing' | 'distant';

const MAX_MESSAGES = 2_000;

/**
 * Loads earlier messages until the found exchange is loaded, then scrolls to it and moves the focus to it.
 *
 * Returns undefined if another thread is shown.
 */
export function useFoundExchange(
  chat: UseAgentChatResult,
  found: FoundExchange | undefined,
  log: RefObject<HTMLElement | null>,
): FoundState | undefined {
  const { messages, historyStatus, hasMore, loadMore } = chat;
  const here = found?.threadId === chat.threadId ? found : undefined;
  const isLoaded = here !== undefined && messages.some(({ exchangeId }) => exchangeId === here.exchangeId);
  const canLoad = hasMore && messages.length < MAX_MESSAGES;

  useEffect(() => {
    if (here && !isLoaded && canLoad && historyStatus === 'ready') void loadMore();
  }, [here, isLoaded, canLoad, historyStatus, loadMore]);

  useEffect(() => {
    if (!here || !isLoaded) return;
    const message = log.current?.querySelector<HTMLElement>('[data-found]');
    message?.scrollIntoView({ block: 'center' });
    message?.focus({ preventScroll: true });
  }, [here, isLoaded, log]);

  if (!here) return undefined;
  if (isLoaded) return 'shown';
  if (historyStatus !== 'ready' || canLoad) return 'loading';
  return hasMore ? 'distant' : 'missing';
}
