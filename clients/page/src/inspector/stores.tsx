import type { Health } from '../api/client.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { Loading } from '../parts/panel.tsx';

const STORES = [
  ['redis', 'Redis'],
  ['postgres', 'PostgreSQL'],
  ['queue', 'Queue'],
] as const;

/** The health of each store. */
export function Stores({ health }: { health: Poll<Health> }) {
  const { data, error } = health;
  if (data === undefined && !error) return <Loading what="the status" />;
  return (
    <ul className="stores" aria-label="Stores">
      {STORES.map(([name, label]) => {
        const state = error ? 'unknown' : (data?.[name] ?? 'unknown');
        return (
          <li key={name} data-state={state}>
            <span className="name">{label}</span>
            <span className="state">{state}</span>
          </li>
        );
      })}
    </ul>
  );
}
