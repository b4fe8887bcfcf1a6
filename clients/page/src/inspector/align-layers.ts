import type { Layers } from '../api/client.ts';

/** A message, and whether each layer has it. */
export interface Row {
  readonly key: string;
  readonly role: string;
  readonly preview: string;
  readonly redis: 'yes' | 'no' | 'unknown';
  /** `waiting` until the drain has stored it. */
  readonly postgres: 'yes' | 'waiting' | 'no' | 'unknown';
}

interface SortableRow extends Row {
  /** Sorts rows as the thread is sorted. */
  readonly sortKey: string;
}

/** Returns the messages of both layers, each once, newest first. */
export function alignLayers({ redis, postgres }: Layers): Row[] {
  const rows = new Map<string, SortableRow>();
  let newest = '';
  redis.messages.forEach(({ role, preview, exchange_id, created_at, is_drained }, index) => {
    const key = exchange_id === null ? `list:${index}` : `${exchange_id}:${role}`;
    // An entry that another program wrote has no time: it sorts after the entry before it.
    const sortKey =
      exchange_id === null ? `${newest}~${String(index).padStart(6, '0')}` : sortKeyOf(created_at, exchange_id, role);
    if (exchange_id !== null) newest = sortKey;
    const drained = postgres.state === 'ok' || is_drained === false ? (is_drained ? 'yes' : 'waiting') : 'unknown';
    rows.set(key, { key, role, preview, sortKey, redis: 'yes', postgres: is_drained === null ? 'no' : drained });
  });
  // The response holds only the newest entries of a long list. Whether Redis has older messages is unknown.
  const isTruncated = redis.message_count > redis.messages.length;
  const oldest = [...rows.values()].map(({ sortKey }) => sortKey).sort()[0] ?? '';
  for (const { role, preview, exchange_id, created_at } of postgres.messages) {
    const key = `${exchange_id ?? ''}:${role}`;
    const sortKey = sortKeyOf(created_at, exchange_id, role);
    if (isTruncated && sortKey < oldest) continue;
    const inRedis = redis.state !== 'ok' ? 'unknown' : rows.has(key) ? 'yes' : 'no';
    rows.set(key, { key, role, preview, sortKey, redis: inRedis, postgres: 'yes' });
  }
  return [...rows.values()].sort((one, other) => (one.sortKey < other.sortKey ? 1 : -1));
}

function sortKeyOf(createdAt: string | null, exchangeId: string | null, role: string): string {
  return `${createdAt ?? ''} ${exchangeId ?? ''} ${role === 'user' ? 0 : 1}`;
}
