import { getMessages } from './api.js';
import type { ChatContext } from './chat-context.js';
import { AgentChatError, noResponseError } from './errors.js';
import type { Thread } from './thread.js';
import type { ChatMessage } from './types.js';
import { messageOf } from './merge.js';

const PAGE_SIZE = 50;

/** Loads the newest messages and merges them. Never rejects: an error is stored in the thread. */
export function refresh(context: ChatContext, thread: Thread): Promise<void> {
  const { newest, reading } = thread;
  if (newest) {
    // The running request may have started before the change that the caller wants to see.
    return (thread.queuedRefresh ??= newest.then(() => {
      if (reading.signal.aborted) return;
      thread.queuedRefresh = undefined;
      return refresh(context, thread);
    }));
  }
  thread.newest = read(context, thread, 'newest');
  context.emit(thread);
  return thread.newest;
}

/** Loads the page before the oldest loaded message. Never rejects. */
export function loadMore(context: ChatContext, thread: Thread): Promise<void> {
  if (thread.cursor === null) return Promise.resolve();
  thread.older ??= read(context, thread, 'older');
  context.emit(thread);
  return thread.older;
}

/** Aborts the running reads. Late responses are ignored. */
export function stopReading(thread: Thread): void {
  thread.reading.abort();
  thread.reading = new AbortController();
  thread.newest = thread.queuedRefresh = thread.older = undefined;
}

/**
 * Loads the newest messages without any sign of it: the state of the history stays, and an error is not reported, because
 * the next check or the next `refresh` follows.
 */
export async function check(context: ChatContext, thread: Thread): Promise<void> {
  if (thread.newest) return thread.newest;
  const { signal } = thread.reading;
  try {
    await load(context, thread, 'newest', signal);
  } catch (error) {
    if (!(error instanceof AgentChatError)) throw error;
  }
  if (!signal.aborted) context.emit(thread);
}

async function read(context: ChatContext, thread: Thread, side: 'newest' | 'older'): Promise<void> {
  const { signal } = thread.reading;
  try {
    await load(context, thread, side, signal);
  } catch (caught) {
    if (signal.aborted) return;
    const error = caught instanceof AgentChatError ? caught : noResponseError(caught);
    thread.historyFailed = true;
    thread.error = error;
    context.notify(thread, (options) => options.onError?.(error));
  }
  if (signal.aborted) return;
  thread[side] = undefined;
  context.emit(thread);
}

async function load(
  context: ChatContext,
  thread: Thread,
  side: 'newest' | 'older',
  signal: AbortSignal,
): Promise<void> {
  const limit = context.options.pageSize ?? PAGE_SIZE;
  const messages: ChatMessage[] = [];
  const degraded = new Set<string>();
  let cursor = side === 'older' ? thread.cursor : null;
  do {
    const page = await getMessages(context.options, thread.id, { limit, cursor }, signal);
    // The user left the thread after the response arrived.
    if (signal.aborted) return;
    messages.unshift(...page.items.map(messageOf).reverse());
    for (const layer of page.degraded) degraded.add(layer);
    cursor = page.next_cursor;
    if (page.items.length === 0) break;
    // Read until no message is missing between these pages and the loaded messages.
  } while (side === 'newest' && cursor !== null && !thread.isContiguous(messages));
  thread.mergeServer(messages, side, { cursor, degraded: [...degraded] });
}
