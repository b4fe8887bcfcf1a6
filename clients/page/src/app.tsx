import { useMemo, useState } from 'react';
import { Api } from './api/client.ts';
import { subjectOf } from './api/token.ts';
import { SignIn } from './sign-in.tsx';
import { Workspace } from './workspace.tsx';
import { useStored } from './hooks/use-stored.ts';

// The page's URL with its stage prefix, without the trailing slash.
const BASE_URL = new URL('.', window.location.href).href.replace(/\/+$/, '');

export function App() {
  const [userId, setUserId] = useStored('user', 'ada');
  // The token is only in memory, so that no other program can read it. The user enters it again after a reload.
  const [token, setToken] = useState<string | null>(null);
  // The rejected token. A late response to the previous token must not reject the current one.
  const [rejected, setRejected] = useState<{ token: string | null }>();
  const api = useMemo(() => {
    const onUnauthorized = (): void => setRejected({ token });
    return new Api({ baseUrl: BASE_URL, token, onUnauthorized });
  }, [token]);
  const subject = token === null ? undefined : subjectOf(token);

  const onUserId = (name: string): void => {
    if (name === userId) return;
    // The thread in the address belongs to the previous user.
    window.history.pushState(null, '', '#');
    setUserId(name);
  };
  const onToken = (newToken: string): void => {
    const newUserId = subjectOf(newToken) ?? userId;
    setRejected(undefined);
    setToken(newToken);
    // Before the first token the page showed nothing, so the thread in the address may belong to this user.
    if (token === null) setUserId(newUserId);
    else onUserId(newUserId);
  };

  return (
    <>
      <Workspace key={userId} api={api} userId={userId} isUserFixed={subject === userId} onUserId={onUserId} />
      {/* The workspace stays mounted under the dialog, so that an unsent message is not lost. */}
      {rejected && rejected.token === token && <SignIn isRejected={token !== null} onToken={onToken} />}
    </>
  );
}
