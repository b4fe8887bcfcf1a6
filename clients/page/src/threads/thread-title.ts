import { useEffect } from 'react';
import type { ChatMessage } from '@hybrid-memory/react';
import type { ThreadItem } from '../api/client.ts';

const PRODUCT = 'Hybrid agent memory';
/** The length of the titles that the server makes from first messages. */
const MAX_TITLE = 80;
const MAX_CHARACTERS = 60;

/** Returns the title of a thread: its own, or else the first message, or else `New thread`. */
export function titleOf(thread: ThreadItem | undefined, messages: readonly ChatMessage[]): string {
  if (thread?.title) return thread.title;
  const first = messages.find(({ role, content }) => role === 'user' && content !== '');
  return first === undefined ? 'New thread' : first.content.trim().replaceAll(/\s+/g, ' ').slice(0, MAX_TITLE);
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
