import type { MessageAnswer } from './api.js';
import type { ChatMessage } from './types.js';

/** Returns what a message is known by here and on the server. */
export function keyOf(message: Pick<ChatMessage, 'exchangeId' | 'role' | 'id'>): string {
  return message.exchangeId === null ? message.id : `${message.exchangeId}:${message.role}`;
}

/** Returns a message of the server's as one of the chat's. */
export function messageOf(told: MessageAnswer): ChatMessage {
  const role = told.role === 'user' ? 'user' : 'assistant';
  // Both layers name the exchange; what somebody else wrote into Redis has only its time.
  const id = `${told.exchange_id ?? told.created_at ?? ''}:${role}`;
  const createdAt = told.created_at ?? '';
  const { exchange_id: exchangeId, content, metadata = {} } = told;
  const isEmpty = Object.keys(metadata).length === 0;
  return { id, exchangeId, role, content, createdAt, status: 'sent', ...(!isEmpty && { metadata }) };
}

/**
 * Returns the union of the messages here and those the server told of, each once, in the server's order.
 *
 * Nothing of `mine` is dropped, and it keeps its ids. What only one side has stands where its neighbours are: after the
 * last message before it that both have. Between two such, messages from here follow the server's.
 *
 * @param told A contiguous part of the thread, oldest first.
 * @param isLocal Whether a message of `mine` was made here, and the server has not told of it yet.
 */
export function unite(
  mine: readonly ChatMessage[],
  told: readonly ChatMessage[],
  isLocal: (message: ChatMessage) => boolean,
): ChatMessage[] {
  const own = new Map(mine.map((message) => [keyOf(message), message]));
  const shared = new Set(told.map(keyOf).filter((key) => own.has(key)));
  // What only this side has, by the shared message it follows.
  const followers = new Map<string, ChatMessage[]>();
  let anchor = '';
  for (const message of mine) {
    const key = keyOf(message);
    if (shared.has(key)) anchor = key;
    else followers.set(anchor, [...(followers.get(anchor) ?? []), message]);
  }
  const united: ChatMessage[] = [];
  let news: ChatMessage[] = [];
  anchor = '';
  const flush = (): void => {
    united.push(...interleave(followers.get(anchor) ?? [], news, isLocal));
    news = [];
  };
  for (const message of new Map(told.map((each) => [keyOf(each), each])).values()) {
    const key = keyOf(message);
    const known = own.get(key);
    if (!known) {
      news.push(message);
      continue;
    }
    flush();
    anchor = key;
    united.push(confirm(known, message));
  }
  flush();
  return united;
}

/** Returns the messages with an older page before them, each once. */
export function prepend(mine: readonly ChatMessage[], older: readonly ChatMessage[]): ChatMessage[] {
  const own = new Set(mine.map(keyOf));
  const told = new Map(older.map((message) => [keyOf(message), message]));
  const confirmed = mine.map((message) => {
    const same = told.get(keyOf(message));
    return same ? confirm(message, same) : message;
  });
  return [...[...told.values()].filter((message) => !own.has(keyOf(message))), ...confirmed];
}

function interleave(
  mine: readonly ChatMessage[],
  told: readonly ChatMessage[],
  isLocal: (message: ChatMessage) => boolean,
): ChatMessage[] {
  const merged: ChatMessage[] = [];
  let next = 0;
  for (const message of mine) {
    // Clocks are compared only where both are the server's.
    const isAfter = (other: ChatMessage): boolean => isLocal(message) || other.createdAt < message.createdAt;
    for (let other = told[next]; other && isAfter(other); other = told[++next]) merged.push(other);
    merged.push(message);
  }
  return [...merged, ...told.slice(next)];
}

/** Returns the message as the server holds it; the same object if that is what it was. */
function confirm(mine: ChatMessage, told: ChatMessage): ChatMessage {
  const { content, createdAt } = told;
  const metadata = mine.metadata ?? told.metadata;
  const isKnown = mine.content === content && mine.createdAt === createdAt && mine.metadata === metadata;
  if (mine.status === 'sent' && isKnown) return mine;
  const { error: _, ...rest } = mine;
  return { ...rest, content, createdAt, status: 'sent', ...(metadata && { metadata }) };
}
