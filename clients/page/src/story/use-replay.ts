import { useCallback, useEffect, useState } from 'react';
import type { Timeline } from './timeline.ts';

const REPLAY_MS = 6_000;
const STEP_MS = 900;

interface Replay {
  /** The point of the timeline that the replay has reached, in milliseconds; undefined if none runs. */
  readonly position: number | undefined;
  readonly start: () => void;
  readonly stop: () => void;
}

/** Replays a timeline in slow motion; step by step, without motion, if the user prefers that. */
export function useReplay(timeline: Timeline | undefined): Replay {
  const [position, setPosition] = useState<number>();
  const [isRunning, setIsRunning] = useState(false);
  const endMs = timeline?.endMs;
  const stops = timeline?.steps.map(({ startMs, durationMs }) => startMs + durationMs).join(' ');

  useEffect(() => {
    if (!isRunning || endMs === undefined || stops === undefined) return undefined;
    const finish = (): void => {
      setPosition(undefined);
      setIsRunning(false);
    };
    if (window.matchMedia('(prefers-reduced-motion: reduce)').matches) {
      const points = [...new Set(stops.split(' ').map(Number))].sort((one, other) => one - other);
      let index = 0;
      setPosition(points[0]);
      const timer = setInterval(() => {
        index += 1;
        if (index >= points.length) finish();
        else setPosition(points[index]);
      }, STEP_MS);
      return () => clearInterval(timer);
    }
    const startedAt = performance.now();
    let frame = requestAnimationFrame(function show(now: number) {
      const part = (now - startedAt) / REPLAY_MS;
      if (part >= 1) return finish();
      setPosition(Math.max(0, part) * endMs);
      frame = requestAnimationFrame(show);
    });
    return () => cancelAnimationFrame(frame);
  }, [isRunning, endMs, stops]);

  const start = useCallback(() => setIsRunning(true), []);
  const stop = useCallback(() => {
    setIsRunning(false);
    setPosition(undefined);
  }, []);
  return { position: isRunning ? position : undefined, start, stop };
}
