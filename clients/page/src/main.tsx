import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';
import './styles/threads.css';
import './styles/search.css';
import './styles/chat.css';
import './styles/conversation.css';
import './styles/markdown.css';
import './styles/inspector.css';
import './styles/memories.css';
import './styles/story.css';
// Imported last, because it hides parts on a narrow screen.
import './styles/layout.css';
import './styles/forced-colors.css';
import './styles/print.css';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element with the id root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
