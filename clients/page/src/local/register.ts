import { extendInspector } from '../inspector/extension.ts';
import { LocalPanels } from './local-panels.tsx';
import { takeToken } from './token.ts';

// First of all, so that the address bar and the history do not keep the token.
takeToken();
extendInspector(LocalPanels);
