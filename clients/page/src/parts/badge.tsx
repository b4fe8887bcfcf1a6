import type { Turn } from '../hooks/use-turns.ts';

const LAYER_NAMES: Record<string, string> = { redis: 'Redis', postgres: 'PostgreSQL', queue: 'Queue' };

/** Returns the display name of a layer. */
export function layerName(layer: string): string {
  return LAYER_NAMES[layer] ?? layer;
}

/** Returns a text about layers that are down: `Redis and PostgreSQL are not responding`. */
export function notRespondingText(layers: readonly string[]): string {
  return `${joinNames(layers)} ${layers.length === 1 ? 'is' : 'are'} not responding`;
}

/** Returns a text about the source of a turn's memory: `Remembered from Redis`, `Redis down, answered from PostgreSQL`. */
export function memorySourceText({ source, degraded }: Pick<Turn, 'source' | 'degraded'>): string {
  if (degraded.length === 0) return source === 'none' ? 'No memory yet' : `Remembered from ${layerName(source)}`;
  return `${joinNames(degraded)} down, ${source === 'none' ? 'no memory' : `answered from ${layerName(source)}`}`;
}

/** The source of a turn's memory, as a badge with a text, a colour and a shape. */
export function LayerBadge({ turn }: { turn: Pick<Turn, 'source' | 'degraded'> }) {
  return (
    <span className="badge" data-layer={turn.degraded.length > 0 ? 'degraded' : turn.source}>
      {memorySourceText(turn)}
    </span>
  );
}

function joinNames(layers: readonly string[]): string {
  return layers.map(layerName).join(' and ');
}
