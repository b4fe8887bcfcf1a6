import { useId, useState } from 'react';
import type { Poll } from '../hooks/use-poll.ts';
import { Panel } from '../parts/panel.tsx';
import { ChaosCounters } from './chaos-counters.tsx';
import type { BreakName, BreakState, Controls, LocalState } from './controls.ts';

interface Kind {
  readonly name: BreakName;
  readonly label: string;
  /** What happens while it runs. */
  readonly running: string;
  /** Exactly what it does. */
  readonly does: string;
}

const KINDS: readonly Kind[] = [
  {
    name: 'freeze-redis',
    label: 'Freeze Redis',
    running: 'Redis is frozen.',
    does: 'stops the Redis process for 20 s (SIGSTOP). Answers come from PostgreSQL.',
  },
  {
    name: 'kill-redis',
    label: 'Kill Redis',
    running: 'Redis was killed and is being restarted.',
    does: 'kills the Redis process (SIGKILL). It is restarted at once, empty, and refilled from PostgreSQL.',
  },
  {
    name: 'freeze-postgres',
    label: 'Freeze PostgreSQL',
    running: 'PostgreSQL is frozen.',
    does:
      'stops all PostgreSQL processes for 20 s (SIGSTOP). Messages wait in the queue. If Redis has lost data before, the API refuses them (503), because it cannot exclude that they are repeated.',
  },
  {
    name: 'stop-queue',
    label: 'Stop the queue',
    running: 'The queue refuses messages and delivers none.',
    does: 'makes SQS answer 503 to new messages and deliver none for 20 s. Messages are stored in PostgreSQL directly.',
  },
  {
    name: 'poison',
    label: 'Poison message',
    running: 'A poison message is in the queue.',
    does: 'sends a message that nobody can read. It goes to the dead-letter queue and blocks nothing.',
  },
  {
    name: 'chaos',
    label: 'Run chaos 30 s',
    running: 'Six callers send and repeat messages while the servers fail in turn.',
    does: 'does all of this for 30 s while six callers send messages, and then counts them in PostgreSQL.',
  },
];

interface Props {
  controls: Controls;
  poll: Poll<LocalState>;
}

/** Buttons that break the local stack. */
export function BreakPanel({ controls, poll }: Props) {
  const [failure, setFailure] = useState<Error>();
  const [busy, setBusy] = useState<BreakName>();
  const [latest, setLatest] = useState<BreakName>();
  const help = useId();
  const states = new Map(poll.data?.breaks.map((each) => [each.name, each]));
  const running = KINDS.find(({ name }) => isRunning(states.get(name)));

  async function toggle(name: BreakName): Promise<void> {
    setBusy(name);
    setLatest(name);
    setFailure(undefined);
    try {
      await (isRunning(states.get(name)) ? controls.end(name) : controls.start(name));
    } catch (caught) {
      setFailure(caught instanceof Error ? caught : new Error(String(caught)));
    } finally {
      setBusy(undefined);
      poll.refresh();
    }
  }

  const result = latest && states.get(latest)?.result;
  return (
    <Panel title="Break it and see" error={failure ?? poll.error} className="breaks">
      <span className="scope">local stack only</span>
      <div className="break-buttons">
        {KINDS.map(({ name, label }) => (
          <button
            key={name}
            type="button"
            className="button"
            aria-pressed={isRunning(states.get(name))}
            aria-describedby={help}
            disabled={poll.data === undefined || busy !== undefined || (running !== undefined && running.name !== name)}
            onClick={() => void toggle(name)}
          >
            {isRunning(states.get(name)) ? `End: ${label}` : label}
          </button>
        ))}
      </div>
      <p className="hint break-status">
        {/* The time is outside of the live region, so that a screen reader does not read every second. */}
        <span role="status">{running ? running.running : (result ?? '')}</span>
        {running && <span> {endsIn(states.get(running.name))}</span>}
      </p>
      {poll.data?.chaos && <ChaosCounters chaos={poll.data.chaos} />}
      <details className="break-help">
        <summary>What each of these does</summary>
        <dl>
          {KINDS.map(({ name, label, does }) => (
            <div key={name}>
              <dt>{label}</dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
      </details>
      <p className="hint" id={help}>
        Each ends by itself within a minute.
      </p>
    </Panel>
  );
}

function isRunning(state: BreakState | undefined): boolean {
  return state !== undefined && state.ends_in_seconds !== null;
}

function endsIn(state: BreakState | undefined): string {
  return `It ends by itself in ${Math.ceil(state?.ends_in_seconds ?? 0)} s.`;
}
