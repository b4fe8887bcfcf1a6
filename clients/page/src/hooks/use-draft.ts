import { useCallback, useLayoutEffect, type RefObject } from 'react';
import { tryStorage } from './use-stored.ts';

/**
 * Keeps the unsent text of each thread, also over a reload of this tab.
 *
 * Returns a function to call after every change of the field.
 */
export function useDraft(field: RefObject<HTMLTextAreaElement | null>, name: string): () => void {
  const key = `hybrid-memory:page:draft:${name}`;
  useLayoutEffect(() => {
    if (field.current) field.current.value = tryStorage(() => window.sessionStorage.getItem(key)) ?? '';
  }, [field, key]);
  return useCallback(() => {
    const text = field.current?.value ?? '';
    tryStorage(() => {
      if (text === '') window.sessionStorage.removeItem(key);
      else window.sessionStorage.setItem(key, text);
    });
  }, [field, key]);
}
