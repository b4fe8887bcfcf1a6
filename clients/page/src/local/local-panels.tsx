import { useMemo } from 'react';
import { usePoll } from '../hooks/use-poll.ts';
import type { ExtensionProps } from '../inspector/extension.ts';
import { Panel } from '../parts/panel.tsx';
import { BreakPanel } from './break-panel.tsx';
import { Controls } from './controls.ts';
import { GuaranteesPanel } from './guarantees-panel.tsx';
import { localToken } from './token.ts';

const POLL_RUNNING_MS = 700;
const POLL_IDLE_MS = 3_000;

/** The panels that only the local stack's page has: breaks, and guarantees that are checked now. */
export function LocalPanels({ api, threadId }: ExtensionProps) {
  const token = localToken();
  const controls = useMemo(() => (token === null ? null : new Controls(api, token)), [api, token]);
  const poll = usePoll(
    controls && `breaks ${api.version}`,
    (signal) => required(controls).state(signal),
    (state) => (state?.breaks.some((each) => each.ends_in_seconds !== null) ? POLL_RUNNING_MS : POLL_IDLE_MS),
  );
  const guarantees = usePoll(
    controls && `guarantees ${api.version} ${threadId ?? ''}`,
    (signal) => required(controls).guarantees(threadId, signal),
    () => POLL_IDLE_MS,
  );
  if (controls === null) {
    return (
      <Panel title="Break it and see">
        <p className="hint">Open the page with the URL that make run prints to use this panel.</p>
      </Panel>
    );
  }
  return (
    <>
      <BreakPanel controls={controls} poll={poll} />
      <GuaranteesPanel guarantees={guarantees} />
    </>
  );
}

function required(controls: Controls | null): Controls {
  if (controls === null) throw new Error('The page has no token.');
  return controls;
}
