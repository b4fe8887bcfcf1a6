import { formatMilliseconds } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { LayerBadge, layerName, notRespondingText, durabilityText } from '../parts/badge.tsx';
import { Panel } from '../parts/panel.tsx';

/** Where the newest turn's memory came from, and where the turn is stored. */
export function LastTurn({ turn }: { turn: Turn | undefined }) {
  return (
    <Panel title="Your last message" className="last-turn">
      {turn === undefined ? (
        <p className="hint">No message sent in this tab yet</p>
      ) : (
        <>
          <LayerBadge turn={turn} />
          <dl className="facts">
            <div>
              <dt>Answered in</dt>
              <dd>{formatMilliseconds(turn.latencyMs)}</dd>
            </div>
            <div>
              <dt>Memory read in</dt>
              <dd>{turn.recallMs === undefined ? 'unknown' : formatMilliseconds(turn.recallMs)}</dd>
            </div>
            <div>
              <dt>Saved</dt>
              <dd>{durabilityText(turn.durability)}</dd>
            </div>
          </dl>
          <p className="hint">{explainTurn(turn)}</p>
        </>
      )}
    </Panel>
  );
}

function explainTurn({ source, degraded, cached, durability }: Turn): string {
  if (degraded.length > 0) {
    const memory =
      source === 'none' ? 'the agent answered without memory' : `${layerName(source)} alone provided the memory`;
    return `${notRespondingText(degraded)}, so ${memory}. ${durability === 'none' ? 'This turn is not saved.' : 'Nothing is lost.'}`;
  }
  if (source === 'redis') return 'Answered from Redis in one round trip.';
  if (source === 'postgres') return `Not fully in Redis, so PostgreSQL answered${cached ? ' and refilled it' : ''}.`;
  return 'This was the first message of the thread.';
}
