import type { ThreadItem } from '../api/client.ts';

export interface DayGroup {
  /** `Today`, `Yesterday`, `Last 7 days`, `This month`, or a month: `October 2026`. */
  readonly name: string;
  readonly threads: readonly ThreadItem[];
}

/** Groups threads, newest first, by the day of their last message in the local time zone. */
export function groupByDay(threads: readonly ThreadItem[], now: Date): DayGroup[] {
  const groups: { name: string; threads: ThreadItem[] }[] = [];
  for (const thread of threads) {
    const name = groupName(new Date(thread.updated_at), now);
    const last = groups.at(-1);
    if (last?.name === name) last.threads.push(thread);
    else groups.push({ name, threads: [thread] });
  }
  return groups;
}

function groupName(then: Date, now: Date): string {
  const daysAgo = (days: number): Date => new Date(now.getFullYear(), now.getMonth(), now.getDate() - days);
  if (then >= daysAgo(0)) return 'Today';
  if (then >= daysAgo(1)) return 'Yesterday';
  if (then >= daysAgo(7)) return 'Last 7 days';
  const isThisMonth = then.getMonth() === now.getMonth() && then.getFullYear() === now.getFullYear();
  return isThisMonth ? 'This month' : then.toLocaleDateString('en', { month: 'long', year: 'numeric' });
}
