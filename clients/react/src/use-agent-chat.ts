'use client';

import { useEffect, useLayoutEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { ChatStore } from './store.js';
import type { UseAgentChatOptions, UseAgentChatResult } from './types.js';

// React 18 warns of layout effects on a server, where none runs.
const useCommitEffect = typeof window === 'undefined' ? useEffect : useLayoutEffect;

/**
 * A chat with an agent that remembers: the thread's identity, its permanent history, and turns that are sent once.
 *
 * The functions in the result stay the same for the life of the component.
 */
export function useAgentChat(options: UseAgentChatOptions = {}): UseAgentChatResult {
  const [store] = useState(() => new ChatStore(options));
  const snapshot = useSyncExternalStore(
    store.subscribe,
    // Asked of these options, so that not one render shows the messages of the thread before.
    () => store.threadFor(options).snapshot,
    () => store.serverSnapshot,
  );
  useCommitEffect(() => {
    store.configure(options);
  });
  // Not a layout effect: those end when a neighbour suspends, and a turn that is under way shall not.
  useEffect(() => store.mount(), [store]);
  return useMemo(() => {
    const { clearError, sendMessage, stop, retry, newThread, forgetThread, loadMore, refresh } = store;
    return { ...snapshot, clearError, sendMessage, stop, retry, newThread, forgetThread, loadMore, refresh };
  }, [snapshot, store]);
}
