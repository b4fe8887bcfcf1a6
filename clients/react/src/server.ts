import type { Connection } from '#client/http.js';
import { getMessages } from './api.js';
import { messageOf } from './merge.js';
import type { ChatMessage } from './types.js';

export interface HistoryOptions extends Connection {
  /** The URL of the API with its stage. A server has no origin of a page. */
  readonly baseUrl: string;
  /** The maximum number of messages, 1 to 200. Default: 50. */
  readonly pageSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the newest messages of a thread, the oldest first, for `initialMessages`; none if the thread does not exist yet.
 *
 * It needs no React, so it runs in a React Server Component, a loader or a route. Throws only AgentChatError.
 */
export async function getHistory(threadId: string, options: HistoryOptions): Promise<ChatMessage[]> {
  const signal = options.signal ?? new AbortController().signal;
  const page = await getMessages(options, threadId, { limit: options.pageSize ?? 50, cursor: null }, signal);
  return page.items.map(messageOf).reverse();
}

export { AgentChatError } from './errors.js';
