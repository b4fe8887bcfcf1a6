import { useEffect, useRef } from 'react';

/** Whether the shortcuts of this platform use the Command key. */
export const IS_APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/** Calls a function when the user presses Ctrl+K, or Cmd+K on a Mac, unless a dialog is open. */
export function useSearchShortcut(onSearch: () => void): void {
  const latest = useRef(onSearch);
  useEffect(() => {
    latest.current = onSearch;
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const isShortcut = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
      if (!isShortcut || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, []);
}
