import { useMemo, useState } from 'react';
import { Api } from './api/client.ts';
import { subjectOf } from './api/token.ts';
import { SignIn } from './sign-in.tsx';
import { Workspace } from './workspace.tsx';
import { useStored } from './hooks/use-stored.ts';

// The page's own address with its stage prefix, without the slash at its end.
const BASE_URL = new URL('.', window.location.href).href.replace(/\/+$/, '');

export function App() {
  const [userId, setUserId] = useStored('user', 'ada');
  // In memory only: a reload asks for it again, and nothing else on this machine ever sees it.
  const [token, setToken] = useState<string | null>(null);
  // With what: an answer to the token before says nothing of this one.
  const [refused, setRefused] = useState<{ token: string | null }>();
  const api = useMemo(() => {
    const onUnauthorized = (): void => setRefused({ token });
    return new Api({ baseUrl: BASE_URL, token, onUnauthorized });
  }, [token]);
  const subject = token === null ? undefined : subjectOf(token);

  const onUserId = (name: string): void => {
    if (name === userId) return;
    // The thread in the address is the other user's.
    window.history.pushState(null, '', '#');
    setUserId(name);
  };
  const onToken = (given: string): void => {
    const named = subjectOf(given) ?? userId;
    setRefused(undefined);
    setToken(given);
    // Nobody was shown anything without a token, so the thread in the address may well be theirs.
    if (token === null) setUserId(named);
    else onUserId(named);
  };

  return (
    <>
      <Workspace key={userId} api={api} userId={userId} isFixed={subject === userId} onUserId={onUserId} />
      {/* Over it, so that what could not be sent for want of a token is still there afterwards. */}
      {refused && refused.token === token && <SignIn wasGiven={token !== null} onToken={onToken} />}
    </>
  );
}
