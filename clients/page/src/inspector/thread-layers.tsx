import type { Layers } from '../api/client.ts';
import { age, countdown, counted, timeOfDay } from '../format.ts';
import { useNow } from '../hooks/use-now.ts';
import type { Polled } from '../hooks/use-poll.ts';
import { Loading, Panel } from '../parts/panel.tsx';
import { alignLayers, type Row } from './align-layers.ts';

/** The thread's messages in Redis beside those in PostgreSQL, newest first. */
export function ThreadLayers({ layers }: { layers: Polled<Layers | null> }) {
  const { data, error, at } = layers;
  return (
    <Panel title="This thread in both layers" asOf={data ? timeOfDay(data.as_of) : undefined} error={error}>
      {data === undefined && !error && <Loading what="the layers" />}
      {data === null && <p className="hint">Nothing stored yet</p>}
      {data && <Both layers={data} at={at} />}
    </Panel>
  );
}

function Both({ layers, at }: { layers: Layers; at: number }) {
  const { redis, postgres, undrained, lag_seconds: lag } = layers;
  const rows = alignLayers(layers);
  return (
    <>
      <dl className="facts pairs">
        <div>
          <dt>In Redis</dt>
          <dd>{redis.state === 'ok' ? counted(redis.message_count, 'message') : 'unavailable'}</dd>
        </div>
        <div>
          <dt>Cache expires in</dt>
          <dd>{redis.state === 'ok' ? <TimeToLive seconds={redis.ttl_seconds} at={at} /> : 'unknown'}</dd>
        </div>
        <div>
          <dt>In PostgreSQL</dt>
          <dd>{postgres.state === 'ok' ? counted(postgres.message_count, 'message') : 'unavailable'}</dd>
        </div>
        <div>
          <dt>Not stored yet</dt>
          <dd data-warn={undrained > 0}>{formatUndrained(undrained, lag)}</dd>
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
              <MessageRow key={row.key} row={row} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** Formats how many exchanges wait and for how long. Without a response of both layers, zero means unknown. */
function formatUndrained(count: number, lag: number | null): string {
  if (count === 0) return lag === null ? 'unknown' : 'none';
  return lag === null ? counted(count, 'exchange') : `${counted(count, 'exchange')}, ${age(lag)}`;
}

function MessageRow({ row }: { row: Row }) {
  return (
    <tr data-drained={row.postgres !== 'waiting'}>
      <th scope="row">
        <span className="role">{row.role === 'assistant' ? 'agent' : row.role}</span> {row.preview}
      </th>
      <td data-state={row.redis}>{REDIS[row.redis]}</td>
      <td data-state={row.postgres}>{POSTGRES[row.postgres]}</td>
    </tr>
  );
}

const REDIS: Record<Row['redis'], string> = { yes: 'cached', no: 'not cached', unknown: 'unknown' };
const POSTGRES: Record<Row['postgres'], string> = {
  yes: 'stored',
  waiting: 'waiting',
  no: 'not stored',
  unknown: 'unknown',
};

function TimeToLive({ seconds, at }: { seconds: number | null; at: number }) {
  const now = useNow();
  if (seconds === null) return <>not cached</>;
  // Counted from the server's response, so that the clock of this machine does not matter.
  return <span className="countdown">{countdown(seconds - (now - at) / 1_000)}</span>;
}
