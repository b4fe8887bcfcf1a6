import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Chat } from './chat';
import { accessToken, currentUser } from './session';

// An app stores the ids of its conversations. This example has one id in the URL.
const address = new URL(window.location.href);
const threadId = address.searchParams.get('thread') ?? `thread-${String(Date.now())}`;
address.searchParams.set('thread', threadId);
window.history.replaceState(null, '', address);

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Chat api={import.meta.env.VITE_MEMORY_API} userId={currentUser()} threadId={threadId} token={accessToken} />
    </StrictMode>,
  );
}
