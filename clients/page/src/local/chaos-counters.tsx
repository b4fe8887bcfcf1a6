import type { ChaosState } from './controls.ts';

const FAULTS: Readonly<Record<string, string>> = {
  'freeze-redis': 'Redis frozen',
  'kill-redis': 'Redis killed',
  'freeze-postgres': 'PostgreSQL frozen',
  'stop-queue': 'queue stopped',
  poison: 'poison message sent',
};

/** The counters of the chaos: what the API accepted, and what PostgreSQL has. */
export function ChaosCounters({ chaos }: { chaos: ChaosState }) {
  return (
    <div className="chaos" role="group" aria-label="Chaos">
      <p className="hint">{describe(chaos)}</p>
      <dl className="facts counters">
        <Counter name="Accepted" value={chaos.accepted} />
        <Counter name="Stored" value={chaos.stored} />
        <Counter name="Lost" value={chaos.lost} isFault={(chaos.lost ?? 0) > 0} />
        <Counter name="Doubled" value={chaos.doubled} isFault={chaos.doubled > 0} />
      </dl>
    </div>
  );
}

function Counter({ name, value, isFault = false }: { name: string; value: number | null; isFault?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-fault={isFault}>{value === null ? 'not known yet' : value.toLocaleString()}</dd>
    </div>
  );
}

function describe({ phase, seconds_left: left, fault, sent, retries }: ChaosState): string {
  const requests = `${sent.toLocaleString()} messages sent, ${retries.toLocaleString()} retries`;
  if (phase === 'running') {
    const now = fault === null ? 'all servers up' : (FAULTS[fault] ?? fault);
    return `${Math.ceil(left)} s left · ${now} · ${requests}`;
  }
  return phase === 'settling' ? `Waiting until everything is stored · ${requests}` : `Finished · ${requests}`;
}
