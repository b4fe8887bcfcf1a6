import type { Layers } from '../api/client.ts';

/** A message, and its state in each layer. */
export interface Row {
  readonly key: string;
  readonly role: string;
  readonly preview: string;
  readonly redis: 'yes' | 'no' | 'unknown';
  /** `waiting` until the drain has stored the message. */
  readonly postgres: 'yes' | 'waiting' | 'no' | 'unknown';
}

interface SortableRow extends Row {
  /** The row's position in the thread. */
  readonly sortKey: string;
}

/** Returns the messages of both layers, each once, newest first. */
export function alignLayers({ redis, postgres }: Layers): Row[] {
  const rows = new Map<string, SortableRow>();
  let lastSortKey = '';
  redis.messages.forEach(({ role, preview, exchange_id, created_at, is_drained }, index) => {
    const key = exchange_id === null ? `list:${index}` : `${exchange_id}:${role}`;
    // An entry that another program wrote has no time. It is sorted after the previous entry of the list.
    const sortKey =
      exchange_id === null ? `${lastSortKey}~${String(index).padStart(6, '0')}` : sortKeyOf(created_at, exchange_id, role);
    if (exchange_id !== null) lastSortKey = sortKey;
    // `is_drained` says whether PostgreSQL has the message. It is null for an entry that another program wrote.
    let inPostgres: Row['postgres'] = 'unknown';
    if (is_drained === null) inPostgres = 'no';
    else if (!is_drained) inPostgres = 'waiting';
    else if (postgres.state === 'ok') inPostgres = 'yes';
    rows.set(key, { key, role, preview, sortKey, redis: 'yes', postgres: inPostgres });
  });
  // The response holds only the newest entries of a long list. Whether Redis has older messages is unknown.
  const isTruncated = redis.message_count > redis.messages.length;
  const oldestSortKey = [...rows.values()].map(({ sortKey }) => sortKey).sort()[0] ?? '';
  for (const { role, preview, exchange_id, created_at } of postgres.messages) {
    const key = `${exchange_id ?? ''}:${role}`;
    const sortKey = sortKeyOf(created_at, exchange_id, role);
    if (isTruncated && sortKey < oldestSortKey) continue;
    const inRedis = redis.state !== 'ok' ? 'unknown' : rows.has(key) ? 'yes' : 'no';
    rows.set(key, { key, role, preview, sortKey, redis: inRedis, postgres: 'yes' });
  }
  return [...rows.values()].sort((one, other) => (one.sortKey < other.sortKey ? 1 : -1));
}

function sortKeyOf(createdAt: string | null, exchangeId: string | null, role: string): string {
  return `${createdAt ?? ''} ${exchangeId ?? ''} ${role === 'user' ? 0 : 1}`;
}
