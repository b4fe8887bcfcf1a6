import type { Turn } from '../hooks/use-turns.ts';

const LAYERS: Record<string, string> = { redis: 'Redis', postgres: 'PostgreSQL', queue: 'Queue' };

const SAVED: Record<Turn['durability'], string> = {
  queue: 'Safe in the queue',
  postgres: 'Stored in PostgreSQL',
  redis: 'Safe in Redis until PostgreSQL is back',
  none: 'Not saved',
};

/** Returns the display name of a layer. */
export function layerName(layer: string): string {
  return LAYERS[layer] ?? layer;
}

/** Returns a clause that names the layers that are down: `Redis and PostgreSQL are not responding`. */
export function notResponding(layers: readonly string[]): string {
  return `${joined(layers)} ${layers.length === 1 ? 'is' : 'are'} not responding`;
}

/** Returns where an exchange is stored. */
export function savedIn(durability: Turn['durability']): string {
  return SAVED[durability];
}

/** Returns the source of a turn's memory: `Remembered from Redis`, `Redis down, answered from PostgreSQL`. */
export function servedBy({ source, degraded }: Pick<Turn, 'source' | 'degraded'>): string {
  if (degraded.length === 0) return source === 'none' ? 'No memory yet' : `Remembered from ${layerName(source)}`;
  return `${joined(degraded)} down, ${source === 'none' ? 'no memory' : `answered from ${layerName(source)}`}`;
}

/** The source of a turn's memory, as a badge in words, colour and form. */
export function LayerBadge({ turn }: { turn: Pick<Turn, 'source' | 'degraded'> }) {
  return (
    <span className="badge" data-layer={turn.degraded.length > 0 ? 'degraded' : turn.source}>
      {servedBy(turn)}
    </span>
  );
}

function joined(layers: readonly string[]): string {
  return layers.map(layerName).join(' and ');
}
