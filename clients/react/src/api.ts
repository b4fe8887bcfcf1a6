import type { components } from '#client/api-types.js';
import { AgentChatError, unsendableError } from './errors.js';
import { send, type Connection } from '#client/http.js';
import { isIdRejected, isMissing } from '#client/kinds.js';

export { isIdRejected, isMissing };

type Schemas = components['schemas'];
export type RunRequest = Schemas['RunRequest'];
export type RunAnswer = Schemas['RunAnswer'];
export type MessageAnswer = Schemas['MessageAnswer'];
export type MessagesAnswer = Schemas['MessagesAnswer'];

// Longer than the lease of an Idempotency-Key (40 s). When the lease ends, the server runs this request instead.
const MAX_WAIT_MS = 60_000;

/** The answer to a turn, with the durations of `Server-Timing` in milliseconds. */
export interface RunResult {
  readonly answer: RunAnswer;
  readonly timings: Readonly<Record<string, number>>;
}

/**
 * Runs a turn. While an earlier request with the same key runs, waits for its answer.
 *
 * Throws only AgentChatError.
 */
export async function postRun(
  connection: Connection,
  body: RunRequest,
  idempotencyKey: string,
  signal: AbortSignal,
): Promise<RunResult> {
  const [answer, response] = await send(connection, {
    path: '/run',
    method: 'POST',
    body,
    headers: { 'Idempotency-Key': idempotencyKey },
    signal,
    isAnswer: isRunAnswer,
    conflictDeadline: Date.now() + MAX_WAIT_MS,
  });
  return { answer, timings: timingsOf(response) };
}

/**
 * Returns a page of a thread's messages, newest first; an empty page if the thread does not exist yet.
 *
 * Throws only AgentChatError.
 */
export async function getMessages(
  connection: Connection,
  threadId: string,
  page: { limit: number; cursor: string | null },
  signal: AbortSignal,
): Promise<MessagesAnswer> {
  const query = new URLSearchParams({ order: 'desc', limit: String(page.limit) });
  if (page.cursor !== null) query.set('cursor', page.cursor);
  const path = `${pathOf(threadId)}/messages?${query.toString()}`;
  try {
    const [answer] = await send(connection, { path, signal, isAnswer: isMessagesAnswer });
    return answer;
  } catch (error) {
    if (isMissing(error)) return { items: [], next_cursor: null, degraded: [] };
    throw error;
  }
}

/**
 * Deletes an exchange from its thread. Succeeds if the exchange does not exist.
 *
 * Throws only AgentChatError.
 */
export async function deleteExchange(
  connection: Connection,
  threadId: string,
  exchangeId: string,
  signal: AbortSignal,
): Promise<void> {
  const path = `${pathOf(threadId)}/exchanges/${encodeURIComponent(exchangeId)}`;
  try {
    await send(connection, { path, method: 'DELETE', signal, isAnswer: isNothing });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Returns whether the API rejected the Idempotency-Key because its exchange has been deleted. */
export function isKeyOfDeleted(error: unknown): boolean {
  return error instanceof AgentChatError && error.status === 422 && error.errors.length === 0;
}

/** Returns the path of a thread. Throws an AgentChatError. */
export function pathOf(threadId: string): string {
  try {
    return `/threads/${encodeURIComponent(threadId)}`;
  } catch (error) {
    throw unsendableError(error);
  }
}

function timingsOf(response: Response): Record<string, number> {
  const header = response.headers.get('Server-Timing') ?? '';
  const parts = header.matchAll(/([\w-]+);dur=([\d.]+)/g);
  return Object.fromEntries(Array.from(parts, ([, name = '', duration]) => [name, Number(duration)]));
}

function isRunAnswer(body: unknown): body is RunAnswer {
  return isObject(body) && typeof body['response'] === 'string' && isObject(body['memory']);
}

function isMessagesAnswer(body: unknown): body is MessagesAnswer {
  return isObject(body) && Array.isArray(body['items']) && body['items'].every(isObject);
}

function isNothing(body: unknown): body is undefined {
  return body === undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
