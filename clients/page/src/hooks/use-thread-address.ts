import { useCallback, useEffect, useState } from 'react';

/** The thread id in the URL, so that reloading, bookmarks and the back button find the thread. */
export function useThreadAddress(): [string | null, (id: string | null, how?: 'push' | 'replace') => void] {
  const [threadId, setThreadId] = useState(read);

  useEffect(() => {
    const onChange = (): void => setThreadId(read());
    window.addEventListener('popstate', onChange);
    window.addEventListener('hashchange', onChange);
    return () => {
      window.removeEventListener('popstate', onChange);
      window.removeEventListener('hashchange', onChange);
    };
  }, []);

  const go = useCallback((id: string | null, how: 'push' | 'replace' = 'push') => {
    const address = id === null ? '#' : `#thread=${encodeURIComponent(id)}`;
    if (how === 'push') window.history.pushState(null, '', address);
    else window.history.replaceState(null, '', address);
    setThreadId(id);
  }, []);
  return [threadId, go];
}

function read(): string | null {
  return new URLSearchParams(window.location.hash.slice(1)).get('thread') || null;
}
