import { tryStorage } from '../hooks/use-stored.ts';

const PARAMETER = 'local';
const KEY = 'hybrid-memory:page:local-token';

let token: string | null = null;

/** Moves the token from the URL's fragment into this tab's storage. A fragment is never sent to a server. */
export function takeToken(): void {
  const fragment = new URLSearchParams(window.location.hash.slice(1));
  const given = fragment.get(PARAMETER);
  if (given === null) {
    token = tryStorage(() => window.sessionStorage.getItem(KEY)) ?? null;
    return;
  }
  token = given;
  // After a reload of the tab the token is no longer in the URL.
  tryStorage(() => window.sessionStorage.setItem(KEY, given));
  fragment.delete(PARAMETER);
  const rest = fragment.toString();
  window.history.replaceState(null, '', rest ? `#${rest}` : window.location.pathname);
}

/** Returns the token of the local controls, or null if the page was opened without it. */
export function localToken(): string | null {
  return token;
}
