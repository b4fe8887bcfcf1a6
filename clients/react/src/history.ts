import { getMessages } from './api.js';
import { AgentChatError, unanswered } from './errors.js';
import type { Host } from './host.js';
import type { Thread } from './thread.js';
import type { ChatMessage } from './types.js';
import { messageOf } from './unite.js';

const PAGE_SIZE = 50;

/** Reads the newest messages, and unites them with what is shown. Never rejects; the thread says what went wrong. */
export function refresh(host: Host, thread: Thread): Promise<void> {
  const { newest, reading } = thread;
  if (newest) {
    // What is under way may have been asked before that happened which the caller wants to see.
    return (thread.another ??= newest.then(() => {
      if (reading.signal.aborted) return;
      thread.another = undefined;
      return refresh(host, thread);
    }));
  }
  thread.newest = read(host, thread, 'newest');
  host.emit(thread);
  return thread.newest;
}

/** Reads the page before the oldest message that was read. Never rejects. */
export function loadMore(host: Host, thread: Thread): Promise<void> {
  if (thread.cursor === null) return Promise.resolve();
  thread.older ??= read(host, thread, 'older');
  host.emit(thread);
  return thread.older;
}

/** Stops reading; answers that come all the same are ignored. */
export function stopReading(thread: Thread): void {
  thread.reading.abort();
  thread.reading = new AbortController();
  thread.newest = thread.another = thread.older = undefined;
}

async function read(host: Host, thread: Thread, side: 'newest' | 'older'): Promise<void> {
  const { signal } = thread.reading;
  const limit = host.options.pageSize ?? PAGE_SIZE;
  const told: ChatMessage[] = [];
  const degraded = new Set<string>();
  let cursor = side === 'older' ? thread.cursor : null;
  try {
    do {
      const page = await getMessages(host.options, thread.id, { limit, cursor }, signal);
      // Left in the moment between the answer and here: what came is no longer this thread's to show.
      if (signal.aborted) return;
      told.unshift(...page.items.map(messageOf).reverse());
      for (const layer of page.degraded) degraded.add(layer);
      cursor = page.next_cursor;
      // The newest messages have to reach what was read before, else there would be a gap.
      if (page.items.length === 0) break;
    } while (side === 'newest' && cursor !== null && !thread.reaches(told));
    thread.take(told, side, { cursor, degraded: [...degraded] });
  } catch (caught) {
    if (signal.aborted) return;
    const error = caught instanceof AgentChatError ? caught : unanswered(caught);
    thread.historyFailed = true;
    thread.error = error;
    host.tell(thread, (options) => options.onError?.(error));
  }
  thread[side] = undefined;
  host.emit(thread);
}
