import { ApiError, type Status, type QueueDepth } from '../api/client.ts';
import { formatAge, formatTime } from '../format.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { notRespondingText } from '../parts/badge.tsx';
import { Loading, Panel } from '../parts/panel.tsx';

/** The accepted exchanges of the whole deployment that are not in PostgreSQL yet. */
export function Backlog({ status, isUnreachable }: { status: Poll<Status>; isUnreachable: boolean }) {
  const { data, error } = status;
  const isForOperators = error instanceof ApiError && error.status === 403;
  return (
    <Panel
      title="Waiting to be stored"
      asOf={data ? formatTime(data.as_of) : undefined}
      error={isForOperators ? undefined : error}
    >
      {isForOperators && <p className="hint">Only operators can see the queues of the whole deployment.</p>}
      {data === undefined && !error && !isUnreachable && <Loading what="the queues" />}
      {data && (
        <>
          <dl className="facts">
            <Fact name="In queue" value={data.queue?.visible} />
            <Fact name="In flight" value={data.queue?.in_flight} />
            <Fact name="Oldest" value={oldestAge(data.queue)} />
            <Fact name="Dead letters" value={totalMessages(data.dlq)} isBad={(totalMessages(data.dlq) ?? 0) > 0} />
            <Fact name="Outbox" value={totalMessages(data.outbox)} isBad={(totalMessages(data.outbox) ?? 0) > 0} />
            <Fact name="PostgreSQL is behind by" value={data.sync_lag_seconds === null ? undefined : formatAge(data.sync_lag_seconds)} />
            <Fact name="Learning is behind by" value={data.learn_lag_seconds === null ? undefined : formatAge(data.learn_lag_seconds)} />
          </dl>
          {data.degraded.length > 0 && <p className="fault">{notRespondingText(data.degraded)}.</p>}
        </>
      )}
    </Panel>
  );
}

function Fact({ name, value, isBad = false }: { name: string; value: string | number | undefined; isBad?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-warn={isBad}>{value ?? 'unknown'}</dd>
    </div>
  );
}

function totalMessages(depth: QueueDepth | null): number | undefined {
  return depth === null ? undefined : depth.visible + depth.in_flight + depth.delayed;
}

function oldestAge(depth: QueueDepth | null): string | undefined {
  if (depth === null) return undefined;
  if (totalMessages(depth) === 0) return 'none';
  return depth.oldest_age_seconds === null ? undefined : formatAge(depth.oldest_age_seconds);
}
