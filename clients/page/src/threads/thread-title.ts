import { useEffect } from 'react';
import type { ChatMessage } from '@hybrid-memory/react';
import type { ThreadItem } from '../api/client.ts';

const PRODUCT = 'Hybrid agent memory';
const MAX_CHARACTERS = 60;

/** Returns the title of a thread: its own, or else the first message, or else `New thread`. */
export function titleOf(thread: ThreadItem | undefined, messages: readonly ChatMessage[]): string {
  return thread?.title ?? messages.find(({ role }) => role === 'user')?.content ?? 'New thread';
}

/** Shows the thread's title in the browser's tab and history. */
export function useDocumentTitle(title: string): void {
  useEffect(() => {
    const characters = [...title.replace(/\s+/g, ' ').trim()];
    const isLong = characters.length > MAX_CHARACTERS;
    const short = isLong ? `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…` : characters.join('');
    document.title = `${short} · ${PRODUCT}`;
    return () => {
      document.title = PRODUCT;
    };
  }, [title]);
}
