import type { MessageAnswer } from './api.js';
import type { ChatMessage } from './types.js';

/** Returns the key that identifies a message here and on the server. */
export function keyOf(message: Pick<ChatMessage, 'exchangeId' | 'role' | 'id'>): string {
  return message.exchangeId === null ? message.id : `${message.exchangeId}:${message.role}`;
}

/** Converts a message of the API into a message of the chat. */
export function messageOf(answer: MessageAnswer): ChatMessage {
  const role = answer.role === 'user' ? 'user' : 'assistant';
  // A message that another program wrote into Redis has no exchange id.
  const id = `${answer.exchange_id ?? answer.created_at ?? ''}:${role}`;
  const createdAt = answer.created_at ?? '';
  const { exchange_id: exchangeId, content, metadata = {}, revision = 0 } = answer;
  const isEmpty = Object.keys(metadata).length === 0;
  const more = { ...(!isEmpty && { metadata }), ...(revision > 0 && { revision }) };
  return { id, exchangeId, role, content, createdAt, status: 'sent', ...more };
}

/**
 * Merges the local messages with the server's, each once, in the server's order.
 *
 * All local messages stay and keep their ids. A shared message is in both lists. A message that only one list has follows
 * the last shared message before it. Between two shared messages, the server's messages come first, then the local ones.
 *
 * @param server A contiguous part of the thread, oldest first.
 * @param isLocal Whether a local message was created here and the server has not returned it yet.
 */
export function mergeMessages(
  local: readonly ChatMessage[],
  server: readonly ChatMessage[],
  isLocal: (message: ChatMessage) => boolean,
): ChatMessage[] {
  const localByKey = new Map(local.map((message) => [keyOf(message), message]));
  const shared = new Set(server.map(keyOf).filter((key) => localByKey.has(key)));
  // The local-only messages, by the key of the shared message before them.
  const followers = new Map<string, ChatMessage[]>();
  let anchor = '';
  for (const message of local) {
    const key = keyOf(message);
    if (shared.has(key)) anchor = key;
    else followers.set(anchor, [...(followers.get(anchor) ?? []), message]);
  }
  const merged: ChatMessage[] = [];
  let added: ChatMessage[] = [];
  anchor = '';
  const flush = (): void => {
    merged.push(...interleave(followers.get(anchor) ?? [], added, isLocal));
    added = [];
  };
  for (const message of new Map(server.map((each) => [keyOf(each), each])).values()) {
    const key = keyOf(message);
    const localMessage = localByKey.get(key);
    if (!localMessage) {
      added.push(message);
      continue;
    }
    flush();
    anchor = key;
    merged.push(applyServer(localMessage, message));
  }
  flush();
  return merged;
}

/** Puts an older page before the messages, each message once. */
export function prepend(local: readonly ChatMessage[], older: readonly ChatMessage[]): ChatMessage[] {
  const localByKey = new Set(local.map(keyOf));
  const server = new Map(older.map((message) => [keyOf(message), message]));
  const confirmed = local.map((message) => {
    const match = server.get(keyOf(message));
    return match ? applyServer(message, match) : message;
  });
  return [...[...server.values()].filter((message) => !localByKey.has(keyOf(message))), ...confirmed];
}

function interleave(
  local: readonly ChatMessage[],
  server: readonly ChatMessage[],
  isLocal: (message: ChatMessage) => boolean,
): ChatMessage[] {
  const merged: ChatMessage[] = [];
  let next = 0;
  for (const message of local) {
    // Times are comparable only if both come from the server.
    const isAfter = (other: ChatMessage): boolean => isLocal(message) || other.createdAt < message.createdAt;
    for (let other = server[next]; other && isAfter(other); other = server[++next]) merged.push(other);
    merged.push(message);
  }
  return [...merged, ...server.slice(next)];
}

/** Returns the message with the server's content and time; the same object if nothing changes. */
export function applyServer(local: ChatMessage, server: ChatMessage): ChatMessage {
  const newer = revisionOf(server) - revisionOf(local);
  // A store that is behind returns the exchange as it was before its replacement.
  if (server === local || (newer < 0 && local.status === 'sent')) return local;
  const { content, createdAt } = server;
  const metadata = newer > 0 ? server.metadata : (local.metadata ?? server.metadata);
  const isSame = local.content === content && local.createdAt === createdAt && local.metadata === metadata;
  if (local.status === 'sent' && isSame && newer === 0) return local;
  const { error: _, metadata: __, context, ...rest } = local;
  // The report belongs to the replaced answer.
  const kept = newer > 0 ? { revision: revisionOf(server) } : context && { context };
  return { ...rest, ...kept, content, createdAt, status: 'sent', ...(metadata && { metadata }) };
}

/** Returns how often a message's exchange was replaced. */
export function revisionOf({ revision = 0 }: ChatMessage): number {
  return revision;
}
