/** Formats a duration in milliseconds: `0.4 ms`, `42 ms`, `1.2 s`. */
export function formatMilliseconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} ms`;
  return value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

/** Formats an age in seconds: `0.4 s`, `12 s`, `3 min`, `2 h`, `4 d`. */
export function formatAge(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129_600 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** Formats the remaining time: `23:59:41`; with days if it is at least two days. */
export function formatCountdown(seconds: number): string {
  const wholeSeconds = Math.max(0, Math.floor(seconds));
  const pad = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(wholeSeconds / 3_600);
  const days = hours < 48 ? 0 : Math.floor(hours / 24);
  const clock = `${pad(hours - days * 24)}:${pad(Math.floor(wholeSeconds / 60) % 60)}:${pad(wholeSeconds % 60)}`;
  return days > 0 ? `${days} d ${clock}` : clock;
}

/** Formats the time of day of an ISO 8601 timestamp in the local time zone. */
export function formatTime(timestamp: string): string {
  return new Date(timestamp).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** Formats the day and time of an ISO 8601 timestamp; only the time if it was today. */
export function formatDayAndTime(timestamp: string, now: Date): string {
  const then = new Date(timestamp);
  const time = then.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  if (then.toDateString() === now.toDateString()) return time;
  return `${then.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })}, ${time}`;
}

/** Formats a count with its noun: `1 row`, `1,234 rows`. */
export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? singular : plural}`;
}

/** Formats how long ago something was, up to a minute: `just now`, `3 s ago`. */
export function formatWait(seconds: number): string {
  return seconds < 1.5 ? 'just now' : `${Math.round(seconds)} s ago`;
}

/** Formats the time of day of a `performance.now()`. */
export function formatClock(moment: number): string {
  return formatTime(new Date(performance.timeOrigin + moment).toISOString());
}
