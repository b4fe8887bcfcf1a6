// The events come in bunches: a tab that is shown again also gets the focus.
const BUNCH_MS = 50;

/** Calls back when the network or the person comes back to the page, until the returned function is called. */
export function onReturn(callback: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const soon = (): void => {
    if (document.visibilityState === 'hidden') return;
    clearTimeout(timer);
    timer = setTimeout(callback, BUNCH_MS);
  };
  const onPageShow = (event: PageTransitionEvent): void => {
    // From the back-forward cache, with all that it showed then.
    if (event.persisted) soon();
  };
  window.addEventListener('online', soon);
  window.addEventListener('focus', soon);
  window.addEventListener('pageshow', onPageShow);
  document.addEventListener('visibilitychange', soon);
  return () => {
    clearTimeout(timer);
    window.removeEventListener('online', soon);
    window.removeEventListener('focus', soon);
    window.removeEventListener('pageshow', onPageShow);
    document.removeEventListener('visibilitychange', soon);
  };
}
