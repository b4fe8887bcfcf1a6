import type { Layers } from '../api/client.ts';
import { age, countdown, counted, timeOfDay } from '../format.ts';
import { useNow } from '../hooks/use-now.ts';
import type { Polled } from '../hooks/use-poll.ts';
import { Loading, Panel } from '../parts/panel.tsx';
import { aligned, type Row } from './aligned.ts';

/** Redis' list beside PostgreSQL's rows, newest first, with what is not drained marked. */
export function ThreadLayers({ layers }: { layers: Polled<Layers | null> }) {
  const { data, error, at } = layers;
  return (
    <Panel title="This thread in both layers" asOf={data ? timeOfDay(data.as_of) : undefined} error={error}>
      {data === undefined && !error && <Loading what="the layers" />}
      {data === null && <p className="hint">Neither layer knows this thread yet.</p>}
      {data && <Both layers={data} at={at} />}
    </Panel>
  );
}

function Both({ layers, at }: { layers: Layers; at: number }) {
  const { redis, postgres, undrained, lag_seconds: lag } = layers;
  const rows = aligned(layers);
  return (
    <>
      <dl className="facts pairs">
        <div>
          <dt>Redis list</dt>
          <dd>{redis.state === 'ok' ? counted(redis.message_count, 'message') : 'unavailable'}</dd>
        </div>
        <div>
          <dt>List lives for</dt>
          <dd>{redis.state === 'ok' ? <TimeToLive seconds={redis.ttl_seconds} at={at} /> : 'unknown'}</dd>
        </div>
        <div>
          <dt>PostgreSQL</dt>
          <dd>{postgres.state === 'ok' ? counted(postgres.message_count, 'row') : 'unavailable'}</dd>
        </div>
        <div>
          <dt>Not drained</dt>
          <dd data-warn={undrained > 0}>{notDrained(undrained, lag)}</dd>
        </div>
      </dl>
      <div className="scroll" tabIndex={0} role="region" aria-label="Messages by layer">
        <table className="layers">
          <thead>
            <tr>
              <th scope="col">Message</th>
              <th scope="col">Redis</th>
              <th scope="col">PostgreSQL</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <LayerRow key={row.key} row={row} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** Returns how many exchanges wait and for how long; who did not hear from a layer does not know that nothing waits. */
function notDrained(count: number, lag: number | null): string {
  if (count === 0) return lag === null ? 'unknown' : 'nothing';
  return lag === null ? counted(count, 'exchange') : `${counted(count, 'exchange')}, ${age(lag)}`;
}

function LayerRow({ row }: { row: Row }) {
  return (
    <tr data-drained={row.postgres !== 'waits'}>
      <th scope="row">
        <span className="role">{row.role === 'assistant' ? 'agent' : row.role}</span> {row.preview}
      </th>
      <td data-held={row.redis}>{REDIS[row.redis]}</td>
      <td data-held={row.postgres}>{POSTGRES[row.postgres]}</td>
    </tr>
  );
}

const REDIS: Record<Row['redis'], string> = { yes: 'in list', no: 'not in list', unknown: 'unknown' };
const POSTGRES: Record<Row['postgres'], string> = {
  yes: 'row',
  waits: 'not drained',
  no: 'no row',
  unknown: 'unknown',
};

function TimeToLive({ seconds, at }: { seconds: number | null; at: number }) {
  const now = useNow();
  if (seconds === null) return <>no list</>;
  // From the server's answer on, so that this machine's clock does not matter.
  return <span className="countdown">{countdown(seconds - (now - at) / 1_000)}</span>;
}
