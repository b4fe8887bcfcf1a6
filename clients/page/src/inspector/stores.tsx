import type { Stores as StoreStates } from '../api/client.ts';
import { formatClock, formatWait } from '../format.ts';
import { useNow } from '../hooks/use-now.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { Loading } from '../parts/panel.tsx';

const STORES = [
  ['redis', 'Redis'],
  ['postgres', 'PostgreSQL'],
  ['queue', 'Queue'],
] as const;
/** A state that is older than this is not shown as the current one. Polls come every four seconds. */
const MAX_AGE_MS = 12_000;

interface Props {
  stores: Poll<StoreStates>;
  /** Why the newest poll got no response. */
  error: Error | undefined;
}

/** The state of the API and of each store, and when each was last heard. Without news, the state is unknown. */
export function Stores({ stores, error }: Props) {
  const { data, receivedAt } = stores;
  const now = useNow();
  if (data === undefined && !error) return <Loading what="the status" />;
  const age = now - receivedAt;
  const isKnown = data !== undefined && !error && age < MAX_AGE_MS;
  return (
    <ul className="stores" aria-label="Stores">
      <Store name="API" state={isKnown ? 'ok' : error ? 'unavailable' : 'unknown'} heardAt={data && receivedAt} now={now} />
      {STORES.map(([name, label]) => (
        <Store
          key={name}
          name={label}
          state={isKnown ? data[name].state : 'unknown'}
          heardAt={data && heardAt(data, name, receivedAt)}
          now={now}
        />
      ))}
    </ul>
  );
}

/** Returns when a store was last heard, as a `performance.now()`; undefined if never. */
function heardAt(stores: StoreStates, name: keyof StoreStates, receivedAt: number): number | undefined {
  const times = STORES.map(([each]) => Date.parse(stores[each].responded_at ?? '')).filter((time) => !Number.isNaN(time));
  const time = Date.parse(stores[name].responded_at ?? '');
  // The server's newest time stands for the response, because the clock of this machine may be wrong.
  return Number.isNaN(time) ? undefined : receivedAt - (Math.max(...times) - time);
}

function Store({ name, state, heardAt: heard, now }: { name: string; state: string; heardAt: number | undefined; now: number }) {
  return (
    <li data-state={state}>
      <span className="name">{name}</span>
      <span className="heard">{heard === undefined ? 'not heard yet' : heardText(heard, now)}</span>
      <span className="state">{state}</span>
    </li>
  );
}

function heardText(heard: number, now: number): string {
  const seconds = Math.max(0, now - heard) / 1_000;
  return seconds < 60 ? `heard ${formatWait(seconds)}` : `heard at ${formatClock(heard)}`;
}
