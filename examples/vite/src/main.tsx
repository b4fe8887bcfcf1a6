import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Chat } from './chat';
import { accessToken, currentUser } from './session';

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Chat api={import.meta.env.VITE_MEMORY_API} userId={currentUser()} token={accessToken} />
    </StrictMode>,
  );
}
