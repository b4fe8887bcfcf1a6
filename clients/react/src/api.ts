import type { components } from './api-types.js';
import { AgentChatError } from './errors.js';
import { send, type Connection } from './http.js';

type Schemas = components['schemas'];
export type RunRequest = Schemas['RunRequest'];
export type RunAnswer = Schemas['RunAnswer'];
export type MessageAnswer = Schemas['MessageAnswer'];
export type MessagesAnswer = Schemas['MessagesAnswer'];

// Longer than the claim on a key lives (40 s): after it, the request is not "still running" but taken over.
const LONGEST_WAIT_MS = 60_000;

/** An answer to a turn, and what its parts took on the server, in milliseconds, as far as that was told. */
export interface Ran {
  readonly answer: RunAnswer;
  readonly timings: Readonly<Record<string, number>>;
}

/**
 * Runs a turn. While an earlier request with this key still runs, its answer is waited for.
 *
 * Throws an AgentChatError, nothing else.
 */
export async function postRun(
  connection: Connection,
  body: RunRequest,
  idempotencyKey: string,
  signal: AbortSignal,
): Promise<Ran> {
  const [answer, response] = await send(connection, {
    path: '/run',
    method: 'POST',
    body,
    headers: { 'Idempotency-Key': idempotencyKey },
    signal,
    isAnswer: isRunAnswer,
    waitsUntil: Date.now() + LONGEST_WAIT_MS,
  });
  return { answer, timings: timingsOf(response) };
}

/**
 * Returns a page of a thread's messages, the newest first; an empty one if there is no such thread yet.
 *
 * Throws an AgentChatError, nothing else.
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
 * Deletes an exchange from its thread; one that is not there is deleted.
 *
 * Throws an AgentChatError, nothing else.
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

/** Returns whether the API knows no such thread or exchange. */
export function isMissing(error: unknown): boolean {
  return error instanceof AgentChatError && error.status === 404;
}

/** Returns whether the API refused the exchange's id: this machine's clock is ahead of the server's. */
export function isRefusedId(error: unknown): boolean {
  return (
    error instanceof AgentChatError && error.status === 422 && error.errors.some(({ field }) => field === 'exchange_id')
  );
}

/** Returns whether the API takes the request no more under its name: what the name answered was deleted since. */
export function isSpentKey(error: unknown): boolean {
  return error instanceof AgentChatError && error.status === 422 && error.errors.length === 0;
}

function pathOf(threadId: string): string {
  return `/threads/${encodeURIComponent(threadId)}`;
}

function timingsOf(response: Response): Record<string, number> {
  const told = response.headers.get('Server-Timing') ?? '';
  const parts = told.matchAll(/([\w-]+);dur=([\d.]+)/g);
  return Object.fromEntries(Array.from(parts, ([, part = '', took]) => [part, Number(took)]));
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
