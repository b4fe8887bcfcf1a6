// Several events fire at the same time: a tab that becomes visible also gets the focus.
const DEBOUNCE_MS = 50;

/** Calls the function when the network or the user returns. The returned function stops these calls. */
export function onReturn(callback: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const schedule = (): void => {
    if (document.visibilityState === 'hidden') return;
    clearTimeout(timer);
    timer = setTimeout(callback, DEBOUNCE_MS);
  };
  const onPageShow = (event: PageTransitionEvent): void => {
    // The page comes from the back-forward cache with its old content.
    if (event.persisted) schedule();
  };
  window.addEventListener('online', schedule);
  window.addEventListener('focus', schedule);
  window.addEventListener('pageshow', onPageShow);
  document.addEventListener('visibilitychange', schedule);
  return () => {
    clearTimeout(timer);
    window.removeEventListener('online', schedule);
    window.removeEventListener('focus', schedule);
    window.removeEventListener('pageshow', onPageShow);
    document.removeEventListener('visibilitychange', schedule);
  };
}
