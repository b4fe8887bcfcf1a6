// The entry of the local stack's page. The page that the agent function serves contains nothing of this folder.
// The order matters: the panels are registered before the page renders.
import './register.ts';
import '../main.tsx';
import './local.css';
