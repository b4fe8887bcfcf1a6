import { ApiError, type Status, type Waiting } from '../api/client.ts';
import { age, timeOfDay } from '../format.ts';
import type { Polled } from '../hooks/use-poll.ts';
import { listed } from '../parts/badge.tsx';
import { Loading, Panel } from '../parts/panel.tsx';

/** What was accepted and is not in PostgreSQL yet, in the whole deployment. */
export function OnItsWay({ status }: { status: Polled<Status> }) {
  const { data, error } = status;
  const isForOperators = error instanceof ApiError && error.status === 403;
  return (
    <Panel
      title="On its way to PostgreSQL"
      asOf={data ? timeOfDay(data.as_of) : undefined}
      error={isForOperators ? undefined : error}
    >
      {isForOperators && <p className="hint">Only operators may see the queues of the whole deployment.</p>}
      {data === undefined && !error && <Loading what="the queues" />}
      {data && (
        <>
          <dl className="facts">
            <Fact name="Queue visible" value={data.queue?.visible} />
            <Fact name="In flight" value={data.queue?.in_flight} />
            <Fact name="Oldest there" value={oldest(data.queue)} />
            <Fact name="Dead letters" value={total(data.dlq)} isBad={(total(data.dlq) ?? 0) > 0} />
            <Fact name="Outbox" value={total(data.outbox)} isBad={(total(data.outbox) ?? 0) > 0} />
            <Fact name="Sync lag" value={data.sync_lag_seconds === null ? undefined : age(data.sync_lag_seconds)} />
          </dl>
          {data.degraded.length > 0 && <p className="fault">{listed(data.degraded)} did not answer.</p>}
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

function total(waiting: Waiting | null): number | undefined {
  return waiting === null ? undefined : waiting.visible + waiting.in_flight + waiting.delayed;
}

function oldest(waiting: Waiting | null): string | undefined {
  if (waiting === null) return undefined;
  if (total(waiting) === 0) return 'none';
  return waiting.oldest_age_seconds === null ? undefined : age(waiting.oldest_age_seconds);
}
