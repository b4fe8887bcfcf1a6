import { ApiError, type Status, type QueueDepth } from '../api/client.ts';
import { age, timeOfDay } from '../format.ts';
import type { Polled } from '../hooks/use-poll.ts';
import { notResponding } from '../parts/badge.tsx';
import { Loading, Panel } from '../parts/panel.tsx';

/** The accepted exchanges of the whole deployment that are not in PostgreSQL yet. */
export function Backlog({ status }: { status: Polled<Status> }) {
  const { data, error } = status;
  const isForOperators = error instanceof ApiError && error.status === 403;
  return (
    <Panel
      title="Waiting to be stored"
      asOf={data ? timeOfDay(data.as_of) : undefined}
      error={isForOperators ? undefined : error}
    >
      {isForOperators && <p className="hint">Only operators can see the queues of the whole deployment.</p>}
      {data === undefined && !error && <Loading what="the queues" />}
      {data && (
        <>
          <dl className="facts">
            <Fact name="In queue" value={data.queue?.visible} />
            <Fact name="In flight" value={data.queue?.in_flight} />
            <Fact name="Oldest" value={oldest(data.queue)} />
            <Fact name="Dead letters" value={total(data.dlq)} isBad={(total(data.dlq) ?? 0) > 0} />
            <Fact name="Outbox" value={total(data.outbox)} isBad={(total(data.outbox) ?? 0) > 0} />
            <Fact name="PostgreSQL is behind by" value={data.sync_lag_seconds === null ? undefined : age(data.sync_lag_seconds)} />
          </dl>
          {data.degraded.length > 0 && <p className="fault">{notResponding(data.degraded)}.</p>}
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

function total(waiting: QueueDepth | null): number | undefined {
  return waiting === null ? undefined : waiting.visible + waiting.in_flight + waiting.delayed;
}

function oldest(waiting: QueueDepth | null): string | undefined {
  if (waiting === null) return undefined;
  if (total(waiting) === 0) return 'none';
  return waiting.oldest_age_seconds === null ? undefined : age(waiting.oldest_age_seconds);
}
