import type { Api, StoredMessage, ThreadItem } from '../api/client.ts';

const NAMES: Record<string, string> = { user: 'You', assistant: 'Agent', system: 'System', tool: 'Tool' };
const MAX_NAME_CHARACTERS = 60;

export type ExportFormat = 'markdown' | 'json' | 'jsonl';

export interface ExportedThread {
  readonly thread: ThreadItem | null;
  readonly threadId: string;
  readonly title: string;
  /** All messages, oldest first. */
  readonly messages: readonly StoredMessage[];
  /** Layers that did not respond. Messages that only they have are missing. */
  readonly degraded: readonly string[];
}

/** Reads a thread with all its messages, page by page. */
export async function readThread(api: Api, threadId: string, title: string, signal: AbortSignal): Promise<ExportedThread> {
  const thread = await api.thread(threadId, signal);
  const messages: StoredMessage[] = [];
  const degraded = new Set<string>();
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await api.messages(threadId, cursor, signal);
    messages.push(...page.items);
    for (const layer of page.degraded) degraded.add(layer);
    cursor = page.next_cursor;
  }
  return { thread, threadId, title: thread?.title ?? title, messages, degraded: [...degraded] };
}

/** Returns a thread as the content of a file. */
export function formatThread(exported: ExportedThread, format: ExportFormat, now: Date): string {
  if (format === 'markdown') return toMarkdown(exported, now);
  const { thread, threadId, messages, degraded } = exported;
  const head = thread ?? { thread_id: threadId, title: null };
  if (format === 'json') {
    return `${JSON.stringify({ ...head, exported_at: now.toISOString(), degraded, messages }, null, 2)}\n`;
  }
  const lines = [{ kind: 'thread', ...head }, ...messages.map((message) => ({ kind: 'message', thread_id: threadId, ...message }))];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Returns the name of the file, from the thread's title. */
export function fileName({ title, threadId }: ExportedThread, format: ExportFormat): string {
  const words = title.normalize('NFC').replace(/[^\p{L}\p{M}\p{N}]+/gu, '-');
  const short = [...words].slice(0, MAX_NAME_CHARACTERS).join('').replace(/^-+|-+$/g, '');
  return `${short || threadId.replace(/[^\w.-]+/g, '-')}.${format === 'markdown' ? 'md' : format}`;
}

function toMarkdown({ title, threadId, messages, degraded }: ExportedThread, now: Date): string {
  const parts = [`# ${oneLine(title)}`, `Thread \`${threadId.replaceAll('`', '')}\`, exported on ${timeText(now.toISOString())}.`];
  if (degraded.length > 0) parts.push('**Not every store responded, so some messages may be missing.**');
  for (const { role, content, created_at } of messages) {
    const time = created_at === null ? '' : `, ${timeText(created_at)}`;
    parts.push('---', `**${NAMES[role] ?? role}**${time}`, content.trim());
  }
  return `${parts.join('\n\n')}\n`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** Formats a time in UTC, so that the file means the same in every time zone: `2026-03-14 09:30 UTC`. */
function timeText(timestamp: string): string {
  return `${new Date(timestamp).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
