import { useCallback, useEffect, useState } from 'react';

/** The thread id in the URL, so that reloading, bookmarks and the back button find the thread. */
export function useThreadAddress(): [string | null, (id: string | null, method?: 'push' | 'replace') => void] {
  const [threadId, setThreadId] = useState(readThreadId);

  useEffect(() => {
    const onChange = (): void => setThreadId(readThreadId());
    window.addEventListener('popstate', onChange);
    window.addEventListener('hashchange', onChange);
    return () => {
      window.removeEventListener('popstate', onChange);
      window.removeEventListener('hashchange', onChange);
    };
  }, []);

  const goTo = useCallback((id: string | null, method: 'push' | 'replace' = 'push') => {
    const address = id === null ? '#' : `#thread=${encodeURIComponent(id)}`;
    if (method === 'push') window.history.pushState(null, '', address);
    else window.history.replaceState(null, '', address);
    setThreadId(id);
  }, []);
  return [threadId, goTo];
}

function readThreadId(): string | null {
  return new URLSearchParams(window.location.hash.slice(1)).get('thread') || null;
}
