/** Returns a duration in milliseconds for people: `0.4 ms`, `42 ms`, `1.2 s`. */
export function milliseconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} ms`;
  return value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

/** Returns an age in seconds for people: `0.4 s`, `12 s`, `3 min`, `2 h`, `4 d`. */
export function age(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129_600 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** Returns what is left as a clock shows it: `23:59:41`, with days before it from two days on. */
export function countdown(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  const pad = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(left / 3_600);
  const days = hours < 48 ? 0 : Math.floor(hours / 24);
  const clock = `${pad(hours - days * 24)}:${pad(Math.floor(left / 60) % 60)}:${pad(left % 60)}`;
  return days > 0 ? `${days} d ${clock}` : clock;
}

/** Returns the time of day of an ISO 8601 moment, in the reader's own zone. */
export function timeOfDay(moment: string): string {
  return new Date(moment).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** Returns the day and time of an ISO 8601 moment: the time alone if it was today. */
export function dayAndTime(moment: string, now: Date): string {
  const then = new Date(moment);
  const time = then.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  if (then.toDateString() === now.toDateString()) return time;
  return `${then.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })}, ${time}`;
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
