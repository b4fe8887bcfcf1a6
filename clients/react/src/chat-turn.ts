import {
  deleteExchange,
  getMessages,
  isMissing,
  isRefusedId,
  isSpentKey,
  postRun,
  type RunAnswer,
  type RunRequest,
} from './api.js';
import type { Attempt, ChatThread } from './chat-thread.js';
import { AgentChatError } from './errors.js';
import type { Connection } from './http.js';
import { isTimeOrdered, newestOf, newExchangeId, newId } from './ids.js';

/** All that a turn of the AI SDK needs on its way. */
export interface Turn {
  readonly connection: Connection;
  readonly thread: ChatThread;
  readonly messageId: string;
  /** Without the exchange. */
  readonly request: RunRequest & { readonly thread_id: string };
  /** The exchange that is shown before it. */
  readonly previous: string | undefined;
  /** Whether no message is shown before it. */
  readonly isFirst: boolean;
  readonly isRegenerated: boolean;
  readonly signal: AbortSignal;
}

const PAGE_SIZE = 200;

/** Asks the server what the page cannot know: which exchange a message asks in, and what follows it. */
export async function lookUp(turn: Turn, known: string | undefined): Promise<string | undefined> {
  const { connection, thread, request, previous, signal } = turn;
  const stored = new Map<string, string>();
  let cursor: string | null = null;
  do {
    const page = await getMessages(connection, request.thread_id, { limit: PAGE_SIZE, cursor }, signal);
    for (const { exchange_id: id, role, content } of page.items) {
      if (id !== null) stored.set(id, role === 'user' ? content : (stored.get(id) ?? ''));
    }
    cursor = page.next_cursor;
  } while (cursor !== null && !stored.has(known ?? previous ?? ''));
  const ids = [...stored.keys()].reverse();
  const place = known === undefined ? ids.indexOf(previous ?? '') + 1 : ids.indexOf(known);
  if (known !== undefined) {
    if (place >= 0) thread.show(ids.slice(place));
    return known;
  }
  if (ids.length > 0 && !turn.isFirst && place === 0) {
    const detail = 'The memory does not know which of its messages this one replaces. Nothing was sent.';
    throw new AgentChatError({ status: 0, title: 'Not sent', detail });
  }
  const found = ids[place];
  // What was never answered is not stored.
  if (found === undefined || (turn.isRegenerated && stored.get(found) !== request.prompt)) return undefined;
  thread.show(ids.slice(place));
  return found;
}

function attemptAt(thread: ChatThread, request: RunRequest, exchangeId: string | undefined): Attempt {
  if (exchangeId !== undefined) return { body: { ...request, replaces: exchangeId }, key: newId(), exchangeId };
  const made = newExchangeId(newestOf(thread.exchanges));
  return { body: { ...request, exchange_id: made }, key: made, exchangeId: made };
}

/**
 * Runs the turn in a new exchange, or in place of one, and deletes what was shown after that.
 *
 * Returns the answer and its exchange.
 */
export async function run(turn: Turn, exchangeId: string | undefined): Promise<[RunAnswer, string]> {
  const { thread, request, messageId } = turn;
  const attempt = thread.attempt(messageId, request, () => attemptAt(thread, request, exchangeId));
  thread.ask(messageId, attempt.exchangeId);
  const later = thread.after(attempt.exchangeId);
  const isReplacing = attempt.body.replaces !== undefined;
  // A turn that replaces another sees what was said before that; one that was never stored would see all.
  if (!isReplacing) await deleteAll(turn, later, 'Nothing was sent');
  let answer: RunAnswer;
  try {
    ({ answer } = await postRun(turn.connection, attempt.body, attempt.key, turn.signal));
  } catch (error) {
    // It was stored, and deleted since: the next attempt is another request.
    if (isSpentKey(error)) thread.answered(messageId, attempt.exchangeId);
    const isMissingNow = isReplacing && isMissing(error);
    if (!isMissingNow && !(isRefusedId(error) && isTimeOrdered(attempt.exchangeId))) throw error;
    rename(thread, attempt, isMissingNow);
    return run(turn, exchangeId);
  }
  if (isReplacing && answer.memory.durability === 'none') {
    const detail = 'The new answer could not be stored, so nothing was changed. Try again.';
    throw new AgentChatError({ status: 503, title: 'Not stored', detail });
  }
  // Only now: if the model fails, nothing is lost.
  if (isReplacing) await deleteAll(turn, later, 'The new answer is stored');
  thread.answered(messageId, attempt.exchangeId);
  return [answer, attempt.exchangeId];
}

/** Makes the attempt one at a new exchange: the one to be replaced is not there, or the id of the new one was refused. */
function rename(thread: ChatThread, attempt: Attempt, isMissingNow: boolean): void {
  const { replaces: _, ...body } = attempt.body;
  const before = attempt.exchangeId;
  if (!isMissingNow) attempt.exchangeId = newId();
  // One that was deleted elsewhere leaves an id that the server takes no more; one that never arrived may still do so.
  else if (thread.isStored(before)) attempt.exchangeId = newExchangeId(newestOf(thread.exchanges));
  if (attempt.exchangeId !== before) thread.forget(before);
  attempt.key = isMissingNow ? newId() : attempt.exchangeId;
  attempt.body = { ...body, exchange_id: attempt.exchangeId };
}

/** Deletes exchanges, the newest first, so that what is left of them in a failure is a conversation. */
export async function deleteAll(turn: Turn, exchanges: readonly string[], soFar: string): Promise<void> {
  const { connection, thread, request, signal } = turn;
  const left = [...exchanges];
  for (const exchange of left) thread.outdated.add(exchange);
  for (let last = left.at(-1); last !== undefined; last = left.at(-1)) {
    try {
      await deleteExchange(connection, request.thread_id, last, signal);
    } catch (error) {
      const { status, detail, isAbort } = error as AgentChatError;
      const count = left.length === 1 ? 'one later message' : `${String(left.length)} later messages`;
      const told = `${soFar}, but ${count} could not be deleted. Try again to finish it. ${detail}`;
      throw new AgentChatError({ status, title: 'Not finished', detail: told, isAbort, cause: error });
    }
    thread.forget(last);
    left.pop();
  }
}
