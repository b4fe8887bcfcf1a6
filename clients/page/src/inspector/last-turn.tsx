import { milliseconds } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { LayerBadges, layerName, listed } from '../parts/badge.tsx';
import { Panel } from '../parts/panel.tsx';

/** Which layer served the newest turn's context, and what that means. */
export function LastTurn({ turn }: { turn: Turn | undefined }) {
  return (
    <Panel title="Last turn" className="last-turn">
      {turn === undefined ? (
        <p className="hint">No turn yet in this tab.</p>
      ) : (
        <>
          <LayerBadges turn={turn} />
          <dl className="facts">
            <div>
              <dt>Answer</dt>
              <dd>{milliseconds(turn.latencyMs)}</dd>
            </div>
            <div>
              <dt>Memory</dt>
              <dd>{turn.recallMs === undefined ? 'not told' : milliseconds(turn.recallMs)}</dd>
            </div>
            <div>
              <dt>Kept by</dt>
              <dd>{turn.durability === 'none' ? 'nobody' : layerName(turn.durability)}</dd>
            </div>
          </dl>
          <p className="hint">{explained(turn)}</p>
        </>
      )}
    </Panel>
  );
}

function explained({ source, degraded, cached, durability }: Turn): string {
  if (degraded.length > 0) {
    const rest =
      source === 'none' ? 'so there was nothing to remember' : `${layerName(source)} served the context alone`;
    return `${listed(degraded)} did not answer; ${rest}.${durability === 'none' ? '' : ' Nothing is lost.'}`;
  }
  if (source === 'redis') return 'Redis knew all there is to know: one round trip.';
  if (source === 'postgres')
    return `Redis did not know all of the window; PostgreSQL did${cached ? ', and Redis was refilled' : ''}.`;
  return 'Nothing was said in this thread before.';
}
