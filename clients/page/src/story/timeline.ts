import { formatCount, formatMilliseconds } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import type { Layers } from '../api/client.ts';
import { layerName } from '../parts/badge.tsx';

/** A part of an exchange's way through the stores. */
export interface Step {
  readonly name: 'network' | 'recall' | 'claim' | 'agent' | 'queue' | 'cache' | 'record' | 'answer' | 'wait' | 'stored';
  readonly label: string;
  readonly startMs: number;
  readonly durationMs: number;
  /** The duration or the time in words. */
  readonly value: string;
  /** Whether its time is known. */
  readonly isKnown: boolean;
}

export interface Timeline {
  readonly steps: readonly Step[];
  readonly endMs: number;
}

/** The shortest time in `Server-Timing`. */
const MIN_MS = 0.05;

/**
 * Returns the timeline of a turn, from sending; undefined if the server did not report its times.
 *
 * The page measures the whole time until the answer and cannot see how the network's part of it splits, so all of it
 * stands first.
 */
export function timelineOf(turn: Turn): Timeline | undefined {
  const { timings = {}, latencyMs, durability, isStored, storedAfterMs, source } = turn;
  const { recall, claim = 0, agent, queue, cache, record = 0 } = timings;
  if (recall === undefined || agent === undefined || queue === undefined || cache === undefined) return undefined;
  const network = Math.max(0, latencyMs - recall - claim - agent - queue - cache - record);
  const steps: Step[] = [];
  let now = 0;
  const add = (name: Step['name'], label: string, durationMs: number): void => {
    steps.push({ name, label, startMs: now, durationMs, value: formatMilliseconds(durationMs), isKnown: true });
    now += durationMs;
  };
  const isDirect = durability === 'postgres';
  add('network', 'Network and gateway', network);
  add('recall', source === 'none' ? 'Read memory' : `Read memory (${layerName(source)})`, recall);
  if (claim >= MIN_MS) add('claim', 'Check for a repetition', claim);
  add('agent', 'Agent thinks', agent);
  const acceptedAt = now;
  add('queue', isDirect ? 'PostgreSQL stores it' : 'Queue accepts it', queue);
  const queuedAt = now;
  add('cache', 'Write to Redis', cache);
  if (record >= MIN_MS) add('record', 'Note it for repetitions', record);
  const at = `at ${formatMilliseconds(now)}`;
  steps.push({ name: 'answer', label: 'You got the answer', startMs: now, durationMs: 0, value: at, isKnown: true });
  const answeredAt = now;
  if (durability === 'none') return { steps, endMs: answeredAt };
  const storedAt = isDirect ? queuedAt : storedAfterMs === undefined ? undefined : acceptedAt + storedAfterMs;
  const isKnown = storedAt !== undefined;
  // A wait without a known end ends beyond the answer.
  const endMs = Math.max(answeredAt, storedAt ?? (isStored ? 0 : 1.5 * answeredAt));
  if (!isDirect) {
    const label = durability === 'redis' ? 'Waits in Redis' : 'Waits in the queue';
    const durationMs = Math.max(0, (storedAt ?? endMs) - queuedAt);
    const waited = isKnown ? formatMilliseconds(durationMs) : isStored ? 'time unknown' : 'waiting …';
    steps.push({ name: 'wait', label, startMs: queuedAt, durationMs, value: waited, isKnown: isKnown || !isStored });
  }
  const stored = isKnown ? `at ${formatMilliseconds(storedAt)}` : isStored ? 'time unknown' : 'not yet';
  const label = 'Stored in PostgreSQL';
  steps.push({ name: 'stored', label, startMs: storedAt ?? endMs, durationMs: 0, value: stored, isKnown });
  return { steps, endMs };
}

/** Says what the answer of a turn waited for. */
export function explainTurn({ timings = {}, durability, degraded, source }: Turn): string {
  const { agent, queue, claim, postgres = 0 } = timings;
  if (durability === 'none') return 'No store responded, so this exchange is not saved.';
  if (durability === 'redis') return 'The queue and PostgreSQL did not respond. Redis has the exchange until they are back.';
  if (agent === undefined || queue === undefined) return 'The server did not report what this answer waited for.';
  const thinking = `the agent (${formatMilliseconds(agent)})`;
  if (durability === 'postgres') {
    const reason = degraded.includes('queue') ? ', because the queue did not respond' : '';
    return `Your answer waited for ${thinking} and until PostgreSQL had stored it (${formatMilliseconds(queue)})${reason}.`;
  }
  const accepting = `the queue (${formatMilliseconds(queue)})`;
  if (postgres < MIN_MS) return `Your answer waited for ${thinking} and ${accepting}, never for PostgreSQL.`;
  const took = formatMilliseconds(postgres);
  const reason =
    source === 'redis' && claim !== undefined
      ? `for PostgreSQL to note that it is not sent twice (${took})`
      : `for what Redis did not have (${took} in PostgreSQL)`;
  return `Your answer waited for ${thinking}, for ${accepting} and ${reason}, never for storing in PostgreSQL.`;
}

/** Says why a thread has different numbers of messages in Redis and in PostgreSQL. */
export function explainCounts({ redis, postgres, window, undrained }: Layers): string | undefined {
  if (redis.state !== 'ok' || postgres.state !== 'ok') return undefined;
  const waiting =
    undrained > 0 ? ` ${formatCount(undrained, 'exchange')} in the queue ${undrained === 1 ? 'is' : 'are'} not in PostgreSQL yet.` : '';
  const all = formatCount(postgres.message_count, 'message');
  if (redis.message_count === 0) return `Redis has none of this thread now. The next message fills it from PostgreSQL.${waiting}`;
  if (postgres.message_count > redis.message_count) {
    const kept = `Redis keeps the newest ${window} exchanges (${2 * window} messages) of a thread for fast answers`;
    const rest = redis.message_count < 2 * window ? ` and has ${redis.message_count} now` : '';
    return `${kept}${rest}. PostgreSQL keeps all ${all}.${waiting}`;
  }
  return undrained > 0 ? waiting.trim() : undefined;
}
