'use client';

import { useEffect, useLayoutEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { ChatStore } from './store.js';
import type { UseAgentChatOptions, UseAgentChatResult } from './types.js';

// React 18 warns about layout effects in server rendering.
const useCommitEffect = typeof window === 'undefined' ? useEffect : useLayoutEffect;

/**
 * A chat with an agent that has a memory: thread identity, permanent history, turns without duplicates.
 *
 * The functions in the result stay the same for the life of the component.
 */
export function useAgentChat(options: UseAgentChatOptions = {}): UseAgentChatResult {
  const [store] = useState(() => new ChatStore(options));
  const snapshot = useSyncExternalStore(
    store.subscribe,
    // Use the current options, so that no render shows the previous thread.
    () => store.threadFor(options).snapshot,
    () => store.serverSnapshot,
  );
  useCommitEffect(() => {
    store.configure(options);
  });
  // Not a layout effect: React unmounts those when a sibling suspends, which would stop a running turn.
  useEffect(() => store.mount(), [store]);
  return useMemo(() => {
    const { clearError, sendMessage, stop, retry, edit, regenerate, discard } = store;
    const { newThread, forgetThread, loadMore, refresh } = store;
    const sending = { sendMessage, stop, retry, edit, regenerate, discard };
    return { ...snapshot, ...sending, clearError, newThread, forgetThread, loadMore, refresh };
  }, [snapshot, store]);
}
