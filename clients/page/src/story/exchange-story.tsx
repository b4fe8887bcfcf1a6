import type { Layers, Status } from '../api/client.ts';
import { formatMilliseconds } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { Panel } from '../parts/panel.tsx';
import { receiptText, type Receipt } from './receipts.ts';
import { explainCounts, explainTurn, timelineOf, type Step, type Timeline } from './timeline.ts';
import { useReplay } from './use-replay.ts';

interface Props {
  /** The memory report; undefined if another tab or an earlier visit sent the message. */
  turn: Turn | undefined;
  receipt: Receipt | undefined;
  layers: Layers | null | undefined;
  backlog: Status | undefined;
  /** The beginning of the message, if it is not the newest one. */
  selectedText: string | undefined;
  onShowNewest: () => void;
}

/** What happened to a message: its way through the API, Redis, the queue and PostgreSQL, with times. */
export function ExchangeStory({ turn, receipt, layers, backlog, selectedText, onShowNewest }: Props) {
  const timeline = turn && timelineOf(turn);
  const replay = useReplay(timeline);
  const counts = layers ? explainCounts(layers) : undefined;
  return (
    <Panel title={selectedText === undefined ? 'What happened to your last message' : 'What happened to this message'} className="story">
      {selectedText !== undefined && (
        <p className="selected-message">
          <q>{selectedText}</q>
          <button type="button" className="link" onClick={onShowNewest}>
            Show the newest
          </button>
        </p>
      )}
      {turn === undefined && receipt === undefined ? (
        <p className="hint">No message sent yet</p>
      ) : (
        <>
          <Flow turn={turn} receipt={receipt} layers={layers} backlog={backlog} />
          {timeline && <Bars timeline={timeline} position={replay.position} />}
          {timeline && (
            <button
              type="button"
              className="button small replay"
              onClick={replay.position === undefined ? replay.start : replay.stop}
            >
              {replay.position === undefined ? 'Replay in slow motion' : 'Stop the replay'}
            </button>
          )}
          {timeline && replay.position !== undefined && <ReplayCaption timeline={timeline} position={replay.position} />}
          <p className="explanation">
            {turn ? explainTurn(turn) : 'The times are known only for messages that this tab has sent.'}
          </p>
          {receipt && (
            <p className="hint">
              {receiptText(receipt)}
              {receipt.storedAfterMs !== undefined && ', measured from its acceptance by the server'}.
            </p>
          )}
          {counts !== undefined && <p className="hint">{counts}</p>}
        </>
      )}
    </Panel>
  );
}

type FlowProps = Pick<Props, 'turn' | 'receipt' | 'layers' | 'backlog'>;

function Flow({ turn, receipt, layers, backlog }: FlowProps) {
  const waiting = layers ? 2 * layers.undrained : 0;
  const total = layers?.postgres.state === 'ok' ? layers.postgres.message_count + waiting : undefined;
  const inRedis = total === undefined || !layers ? undefined : Math.min(total, 2 * layers.window);
  const depth = backlog?.queue && backlog.queue.visible + backlog.queue.in_flight + backlog.queue.delayed;
  const isQueued = receipt?.state === 'queued';
  return (
    <ol className="flow" aria-label="Way of the message">
      <Stop name="API" layer="api" text={turn ? formatMilliseconds(turn.latencyMs) : 'answered'} isDone />
      <Stop
        name="Redis"
        layer="redis"
        text={layers?.redis.state === 'ok' ? countText(layers.redis.message_count, inRedis) : layers ? 'no answer' : 'unknown'}
        isDone={layers?.redis.state === 'ok' && layers.redis.message_count === inRedis}
      />
      <Stop
        name="Queue"
        layer="queue"
        text={isQueued ? 'has it' : depth === undefined || depth === null ? 'passed on' : depth === 0 ? 'empty' : `${depth} waiting`}
        isDone={!isQueued}
      />
      <Stop
        name="PostgreSQL"
        layer="postgres"
        text={layers?.postgres.state === 'ok' ? countText(layers.postgres.message_count, total) : layers ? 'no answer' : 'unknown'}
        isDone={receipt?.state === 'stored'}
      />
    </ol>
  );
}

function countText(count: number, of: number | undefined): string {
  return of === undefined ? String(count) : `${count} of ${of}`;
}

function Stop({ name, layer, text, isDone }: { name: string; layer: string; text: string; isDone: boolean }) {
  return (
    <li data-layer={layer} data-done={isDone}>
      <span className="name">{name}</span>
      <span className="count">{text}</span>
    </li>
  );
}

const WIDTH = 1_000;
const MIN_WIDTH = 8;

function Bars({ timeline, position }: { timeline: Timeline; position: number | undefined }) {
  return (
    <ol className="timeline" aria-label="Timeline">
      {timeline.steps.map((step) => (
        <li key={step.name} data-step={step.name} data-future={position !== undefined && position < step.startMs}>
          <span className="label">{step.label}</span>
          <Bar step={step} endMs={timeline.endMs} position={position} />
          <span className="value">{step.value}</span>
        </li>
      ))}
    </ol>
  );
}

function Bar({ step, endMs, position }: { step: Step; endMs: number; position: number | undefined }) {
  const scale = endMs > 0 ? (WIDTH - MIN_WIDTH) / endMs : 0;
  const reached = position === undefined ? step.durationMs : Math.min(Math.max(0, position - step.startMs), step.durationMs);
  const isShown = step.isKnown && (position === undefined || position >= step.startMs);
  return (
    <svg className="bar" viewBox={`0 0 ${WIDTH} 10`} preserveAspectRatio="none" aria-hidden="true">
      <rect className="track" width={WIDTH} height="10" rx="2" />
      {isShown && <rect className="part" x={step.startMs * scale} width={Math.max(MIN_WIDTH, reached * scale)} height="10" rx="2" />}
    </svg>
  );
}

/** The step that the replay shows. Screen readers announce each step once. */
function ReplayCaption({ timeline, position }: { timeline: Timeline; position: number }) {
  const step = timeline.steps.findLast(({ startMs }) => startMs <= position);
  return (
    <p className="caption">
      <span aria-hidden="true">{formatMilliseconds(position)} · </span>
      <span role="status">{step?.label}</span>
    </p>
  );
}
