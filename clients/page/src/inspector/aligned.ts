import type { Layers } from '../api/client.ts';

/** A message, and what each layer has of it. */
export interface Row {
  readonly key: string;
  readonly role: string;
  readonly preview: string;
  readonly redis: 'yes' | 'no' | 'unknown';
  /** `waits` while it is not drained. */
  readonly postgres: 'yes' | 'waits' | 'no' | 'unknown';
}

interface Placed extends Row {
  /** Sorts as the thread does. */
  readonly place: string;
}

/** Returns the messages of both layers, each once, newest first. */
export function aligned({ redis, postgres }: Layers): Row[] {
  const rows = new Map<string, Placed>();
  let newest = '';
  redis.messages.forEach(({ role, preview, exchange_id, created_at, is_drained }, index) => {
    const key = exchange_id === null ? `list:${index}` : `${exchange_id}:${role}`;
    // What somebody else put in the list has no time: it stands after what it was put after.
    const place =
      exchange_id === null ? `${newest}~${String(index).padStart(6, '0')}` : placeOf(created_at, exchange_id, role);
    if (exchange_id !== null) newest = place;
    const drained = postgres.state === 'ok' || is_drained === false ? (is_drained ? 'yes' : 'waits') : 'unknown';
    rows.set(key, { key, role, preview, place, redis: 'yes', postgres: is_drained === null ? 'no' : drained });
  });
  // Only the newest of a long list were looked at: of older rows nobody knows whether it has them.
  const isCut = redis.message_count > redis.messages.length;
  const oldest = [...rows.values()].map(({ place }) => place).sort()[0] ?? '';
  for (const { role, preview, exchange_id, created_at } of postgres.messages) {
    const key = `${exchange_id ?? ''}:${role}`;
    const place = placeOf(created_at, exchange_id, role);
    if (isCut && place < oldest) continue;
    const listed = redis.state !== 'ok' ? 'unknown' : rows.has(key) ? 'yes' : 'no';
    rows.set(key, { key, role, preview, place, redis: listed, postgres: 'yes' });
  }
  return [...rows.values()].sort((one, other) => (one.place < other.place ? 1 : -1));
}

function placeOf(createdAt: string | null, exchangeId: string | null, role: string): string {
  return `${createdAt ?? ''} ${exchangeId ?? ''} ${role === 'user' ? 0 : 1}`;
}
