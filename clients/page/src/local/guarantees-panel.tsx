import type { Poll } from '../hooks/use-poll.ts';
import { Loading, Panel } from '../parts/panel.tsx';
import type { GuaranteeName, Guarantees } from './controls.ts';

const LINES: readonly (readonly [GuaranteeName, string])[] = [
  ['nothing_lost', 'Nothing lost'],
  ['layers_identical', 'Redis and PostgreSQL identical'],
  ['own_writes', 'You see your own writes'],
  ['no_duplicates', 'No duplicates'],
];

/** The guarantees, checked at each poll against the stores. */
export function GuaranteesPanel({ guarantees: { data, error } }: { guarantees: Poll<Guarantees> }) {
  return (
    <Panel title="What is guaranteed, checked now" error={error}>
      {data === undefined ? (
        <Loading what="the checks" />
      ) : (
        <dl className="guarantees">
          {LINES.map(([name, label]) => (
            <div key={name}>
              <dt>{label}</dt>
              <dd data-state={data[name].state}>{data[name].detail}</dd>
            </div>
          ))}
        </dl>
      )}
    </Panel>
  );
}
