import type { Turn } from '../hooks/use-turns.ts';

const LAYERS: Record<string, string> = { redis: 'Redis', postgres: 'PostgreSQL', queue: 'Queue' };

/** Returns a layer's name as people write it. */
export function layerName(layer: string): string {
  return LAYERS[layer] ?? layer;
}

/** Returns names as a sentence lists them. */
export function listed(layers: readonly string[]): string {
  return layers.map(layerName).join(' and ');
}

/** Returns in a few words which layer served a turn's context. */
export function servedBy(turn: Pick<Turn, 'source' | 'degraded'>): string {
  const source = turn.source === 'none' ? 'No memory' : layerName(turn.source);
  return turn.degraded.length > 0 ? `${source}, degraded: ${listed(turn.degraded)} did not answer` : source;
}

/** Which layer served a turn's context, in words and in colour; a second badge says that a layer did not answer. */
export function LayerBadges({ turn }: { turn: Pick<Turn, 'source' | 'degraded'> }) {
  return (
    <span className="badges">
      <span className="badge" data-layer={turn.source}>
        {turn.source === 'none' ? 'none' : layerName(turn.source)}
      </span>
      {turn.degraded.length > 0 && (
        <span className="badge" data-layer="degraded">
          degraded: no {turn.degraded.map(layerName).join(', no ')}
        </span>
      )}
    </span>
  );
}
