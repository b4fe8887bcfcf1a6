import {
  deleteExchange,
  getMessages,
  isMissing,
  isIdRejected,
  isKeyOfDeleted,
  postRun,
  type RunAnswer,
  type RunRequest,
} from './api.js';
import type { Attempt, ChatThread } from './chat-thread.js';
import { AgentChatError, notStoredError } from './errors.js';
import type { Connection } from '#client/http.js';
import { isTimeOrdered, newestOf, newExchangeId, newId } from '#client/ids.js';

/** A turn of the AI SDK. */
export interface Turn {
  readonly connection: Connection;
  readonly thread: ChatThread;
  readonly messageId: string;
  /** The request, without an exchange id. */
  readonly request: RunRequest & { readonly thread_id: string };
  /** The exchange shown before this turn. */
  readonly previous: string | undefined;
  /** Whether this turn is the first on the page. */
  readonly isFirst: boolean;
  readonly isRegenerated: boolean;
  readonly signal: AbortSignal;
}

const PAGE_SIZE = 200;

/** Loads the history to find the exchange of a message, and the exchanges after it. */
export async function findExchange(turn: Turn, knownId: string | undefined): Promise<string | undefined> {
  const { connection, thread, request, previous, signal } = turn;
  const stored = new Map<string, string>();
  let cursor: string | null = null;
  do {
    const page = await getMessages(connection, request.thread_id, { limit: PAGE_SIZE, cursor }, signal);
    for (const { exchange_id: id, role, content } of page.items) {
      if (id !== null) stored.set(id, role === 'user' ? content : (stored.get(id) ?? ''));
    }
    cursor = page.next_cursor;
  } while (cursor !== null && !stored.has(knownId ?? previous ?? ''));
  const ids = [...stored.keys()].reverse();
  const index = knownId === undefined ? ids.indexOf(previous ?? '') + 1 : ids.indexOf(knownId);
  if (knownId !== undefined) {
    if (index >= 0) thread.recordStored(ids.slice(index));
    return knownId;
  }
  if (ids.length > 0 && !turn.isFirst && index === 0) {
    const detail = 'It is unknown which message this one replaces. Nothing was sent.';
    throw new AgentChatError({ status: 0, title: 'Not sent', detail });
  }
  const exchangeId = ids[index];
  // A question without an answer is not stored.
  if (exchangeId === undefined || (turn.isRegenerated && stored.get(exchangeId) !== request.prompt)) return undefined;
  thread.recordStored(ids.slice(index));
  return exchangeId;
}

function createAttempt(thread: ChatThread, request: RunRequest, exchangeId: string | undefined): Attempt {
  if (exchangeId !== undefined) return { body: { ...request, replaces: exchangeId }, key: newId(), exchangeId };
  const id = newExchangeId(newestOf(thread.exchanges));
  return { body: { ...request, exchange_id: id }, key: id, exchangeId: id };
}

/**
 * Runs the turn as a new exchange or as a replacement, and deletes the exchanges shown after it.
 *
 * Returns the answer and its exchange id.
 */
export async function run(turn: Turn, exchangeId: string | undefined): Promise<[RunAnswer, string]> {
  const { thread, request, messageId } = turn;
  const attempt = thread.attempt(messageId, request, () => createAttempt(thread, request, exchangeId));
  thread.recordQuestion(messageId, attempt.exchangeId);
  const later = thread.after(attempt.exchangeId);
  const isReplacing = attempt.body.replaces !== undefined;
  // When the server runs a replacement, the model does not get the later exchanges. A new turn's model would get them, so
  // they are deleted first.
  if (!isReplacing) await deleteAll(turn, later, 'Nothing was sent');
  let answer: RunAnswer;
  try {
    ({ answer } = await postRun(turn.connection, attempt.body, attempt.key, turn.signal));
  } catch (error) {
    // The exchange was stored and then deleted, so the next attempt is a new request.
    if (isKeyOfDeleted(error)) thread.endAttempts(messageId, attempt.exchangeId);
    const isMissingNow = isReplacing && isMissing(error);
    if (!isMissingNow && !(isIdRejected(error) && isTimeOrdered(attempt.exchangeId))) throw error;
    replaceId(thread, attempt, isMissingNow);
    return run(turn, exchangeId);
  }
  if (isReplacing && answer.memory.durability === 'none') throw notStoredError();
  // A replacement deletes the later exchanges only after the model has answered, so that a failure loses nothing.
  if (isReplacing) await deleteAll(turn, later, 'The new answer is stored');
  thread.endAttempts(messageId, attempt.exchangeId);
  return [answer, attempt.exchangeId];
}

/** Gives the attempt a new exchange, because the exchange to replace does not exist or the API rejected the id. */
function replaceId(thread: ChatThread, attempt: Attempt, isMissingNow: boolean): void {
  const { replaces: _, ...body } = attempt.body;
  const before = attempt.exchangeId;
  if (!isMissingNow) attempt.exchangeId = newId();
  // The API rejects the id of a deleted exchange. A request that never arrived may keep its id.
  else if (thread.isStored(before)) attempt.exchangeId = newExchangeId(newestOf(thread.exchanges));
  if (attempt.exchangeId !== before) thread.forget(before);
  attempt.key = isMissingNow ? newId() : attempt.exchangeId;
  attempt.body = { ...body, exchange_id: attempt.exchangeId };
}

/** Deletes exchanges, newest first, so that a failure leaves a conversation without gaps. */
export async function deleteAll(turn: Turn, exchanges: readonly string[], progress: string): Promise<void> {
  const { connection, thread, request, signal } = turn;
  const remaining = [...exchanges];
  for (const exchange of remaining) thread.outdated.add(exchange);
  for (let last = remaining.at(-1); last !== undefined; last = remaining.at(-1)) {
    try {
      await deleteExchange(connection, request.thread_id, last, signal);
    } catch (error) {
      const { status, detail, isAbort } = error as AgentChatError;
      const count = remaining.length === 1 ? 'one later message' : `${String(remaining.length)} later messages`;
      const message = `${progress}, but ${count} could not be deleted. Try again to finish it. ${detail}`;
      throw new AgentChatError({ status, title: 'Not finished', detail: message, isAbort, cause: error });
    }
    thread.forget(last);
    remaining.pop();
  }
}
