import type { Layers } from '../api/client.ts';
import { formatAge, formatCountdown, formatCount, formatTime } from '../format.ts';
import { useNow } from '../hooks/use-now.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { Loading, Panel } from '../parts/panel.tsx';
import { alignLayers, type Row } from './align-layers.ts';

/** The thread's messages in Redis beside those in PostgreSQL, newest first. */
export function ThreadLayers({ layers, isUnreachable }: { layers: Poll<Layers | null>; isUnreachable: boolean }) {
  const { data, error, receivedAt } = layers;
  return (
    <Panel title="This thread in both layers" asOf={data ? formatTime(data.as_of) : undefined} error={error}>
      {data === undefined && !error && !isUnreachable && <Loading what="the layers" />}
      {data === null && <p className="hint">Nothing stored yet</p>}
      {data && <LayerComparison layers={data} receivedAt={receivedAt} />}
    </Panel>
  );
}

function LayerComparison({ layers, receivedAt }: { layers: Layers; receivedAt: number }) {
  const { redis, postgres, undrained, lag_seconds: lag } = layers;
  const rows = alignLayers(layers);
  return (
    <>
      <dl className="facts pairs">
        <div>
          <dt>In Redis</dt>
          <dd>{redis.state === 'ok' ? formatCount(redis.message_count, 'message') : 'unavailable'}</dd>
        </div>
        <div>
          <dt>Cache expires in</dt>
          <dd>{redis.state === 'ok' ? <TimeToLive seconds={redis.ttl_seconds} receivedAt={receivedAt} /> : 'unknown'}</dd>
        </div>
        <div>
          <dt>In PostgreSQL</dt>
          <dd>{postgres.state === 'ok' ? formatCount(postgres.message_count, 'message') : 'unavailable'}</dd>
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

/** Formats the number of undrained exchanges and the lag. If a layer did not respond, zero means unknown. */
function formatUndrained(count: number, lag: number | null): string {
  if (count === 0) return lag === null ? 'unknown' : 'none';
  return lag === null ? formatCount(count, 'exchange') : `${formatCount(count, 'exchange')}, ${formatAge(lag)}`;
}

function MessageRow({ row }: { row: Row }) {
  return (
    <tr data-drained={row.postgres !== 'waiting'}>
      <th scope="row">
        <span className="role">{row.role === 'assistant' ? 'agent' : row.role}</span> {row.preview}
      </th>
      <td data-state={row.redis}>{REDIS_LABELS[row.redis]}</td>
      <td data-state={row.postgres}>{POSTGRES_LABELS[row.postgres]}</td>
    </tr>
  );
}

const REDIS_LABELS: Record<Row['redis'], string> = { yes: 'cached', no: 'not cached', unknown: 'unknown' };
const POSTGRES_LABELS: Record<Row['postgres'], string> = {
  yes: 'stored',
  waiting: 'waiting',
  no: 'not stored',
  unknown: 'unknown',
};

function TimeToLive({ seconds, receivedAt }: { seconds: number | null; receivedAt: number }) {
  const now = useNow();
  if (seconds === null) return <>not cached</>;
  // Count down from the server's value, because the clock of this machine may be wrong.
  return <span className="countdown">{formatCountdown(seconds - (now - receivedAt) / 1_000)}</span>;
}
