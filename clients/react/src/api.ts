import type { components } from './api-types.js';
import { AgentChatError, errorOf, retryAfterOf, stopped, unanswered, unreadable } from './errors.js';
import type { UseAgentChatOptions } from './types.js';

type Schemas = components['schemas'];
export type RunRequest = Schemas['RunRequest'];
export type RunAnswer = Schemas['RunAnswer'];
export type MessageAnswer = Schemas['MessageAnswer'];
export type MessagesAnswer = Schemas['MessagesAnswer'];

/** How the API is reached. */
export type Connection = Pick<UseAgentChatOptions, 'baseUrl' | 'headers' | 'credentials' | 'fetch'>;

interface Sent {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal: AbortSignal;
}

// Longer than the claim on a key lives (40 s): after it, the request is not "still running" but taken over.
const LONGEST_WAIT_MS = 60_000;
const SHORTEST_WAIT_MS = 250;
const USUAL_WAIT_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** An answer to a turn, and what its parts took on the server, in milliseconds, as far as that was told. */
export interface Ran {
  readonly answer: RunAnswer;
  readonly timings: Readonly<Record<string, number>>;
}

/** Returns the address without a slash at its end. */
export function baseUrlOf(connection: Connection): string {
  return (connection.baseUrl ?? '').replace(/\/+$/, '');
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
  const deadline = Date.now() + LONGEST_WAIT_MS;
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': idempotencyKey };
  for (;;) {
    const response = await ask(connection, '/run', { method: 'POST', body, headers, signal });
    if (response.status !== 409 || Date.now() > deadline) {
      return { answer: await read(response, signal, isRunAnswer), timings: timingsOf(response) };
    }
    const seconds = retryAfterOf(response);
    const wait = seconds === undefined ? USUAL_WAIT_MS : Math.max(SHORTEST_WAIT_MS, seconds * 1000);
    await pause(Math.min(wait, LONGEST_PAUSE_MS), signal);
  }
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
  const path = `/threads/${encodeURIComponent(threadId)}/messages?${query.toString()}`;
  const response = await ask(connection, path, { signal });
  if (response.status === 404) return { items: [], next_cursor: null, degraded: [] };
  return read(response, signal, isMessagesAnswer);
}

async function ask(connection: Connection, path: string, sent: Sent): Promise<Response> {
  const { signal } = sent;
  return unlessStopped(signal, async () => {
    const given = typeof connection.headers === 'function' ? await connection.headers() : connection.headers;
    const headers = new Headers(given);
    headers.set('Accept', 'application/json, application/problem+json');
    for (const [name, value] of Object.entries(sent.headers ?? {})) headers.set(name, value);
    const init: RequestInit = { method: sent.method ?? 'GET', headers, signal };
    if (sent.body !== undefined) init.body = JSON.stringify(sent.body);
    if (connection.credentials !== undefined) init.credentials = connection.credentials;
    return (connection.fetch ?? globalThis.fetch)(baseUrlOf(connection) + path, init);
  });
}

async function read<T>(response: Response, signal: AbortSignal, isAnswer: (body: unknown) => body is T): Promise<T> {
  if (!response.ok) throw await unlessStopped(signal, () => errorOf(response));
  const text = await unlessStopped(signal, () => response.text());
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw unreadable(response, error);
  }
  if (!isAnswer(body)) throw unreadable(response);
  return body;
}

/** Settles as the work does, or at once when stopped: also if a given `fetch` takes no notice of its signal. */
async function unlessStopped<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  let stop: (() => void) | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      stop = () => {
        reject(stopped());
      };
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      else work().then(resolve, reject);
    });
  } catch (error) {
    if (signal.aborted) throw stopped();
    throw error instanceof AgentChatError ? error : unanswered(error);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = unlessStopped(
    signal,
    () => new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds))),
  );
  return waited.finally(() => {
    clearTimeout(timer);
  });
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
