import { noteServerTime } from './clock.js';
import { AgentChatError, errorOf, isOnline, stopped, timedOut, unanswered, unreadable } from './errors.js';
import type { UseAgentChatOptions } from './types.js';

/** How the API is reached. */
export type Connection = Pick<
  UseAgentChatOptions,
  'baseUrl' | 'headers' | 'credentials' | 'fetch' | 'timeoutMs' | 'retries'
>;

/** A request that may be sent again: the API does once what it is asked twice. */
export interface Repeatable<T> {
  readonly path: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Whether the body of an answer is what it should be. */
  readonly isAnswer: (body: unknown) => body is T;
  /** Until when, in Unix milliseconds, to wait for an earlier request of the same name (409); not at all if left out. */
  readonly waitsUntil?: number;
}

const USUAL_TIMEOUT_MS = 60_000;
const USUAL_RETRIES = 3;
const PASSING = new Set([429, 502, 503, 504]);
const CONFLICT = 409;
const FIRST_PAUSE_MS = 400;
// What is to be waited for longer is better said than waited for.
const LONGEST_PAUSE_MS = 5_000;
const SHORTEST_WAIT_MS = 250;
const USUAL_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 10_000;

/** Returns the address without a slash at its end. */
export function baseUrlOf(connection: Connection): string {
  return (connection.baseUrl ?? '').replace(/\/+$/, '');
}

/**
 * Sends a request, again after what passes: no answer, 429, 502, 503, 504.
 *
 * Throws an AgentChatError, nothing else.
 */
export async function send<T>(connection: Connection, request: Repeatable<T>): Promise<[body: T, response: Response]> {
  for (let failures = 0; ;) {
    try {
      return await once(connection, request);
    } catch (caught) {
      const error = caught as AgentChatError;
      const isRunning = error.status === CONFLICT && Date.now() <= (request.waitsUntil ?? 0);
      const wait = isRunning ? waitForRunning(error) : pauseAfter(error, failures, connection.retries ?? USUAL_RETRIES);
      if (wait === undefined) throw error;
      if (!isRunning) failures++;
      await pause(wait, request.signal);
    }
  }
}

async function once<T>(connection: Connection, request: Repeatable<T>): Promise<[T, Response]> {
  const own = new AbortController();
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
    own.abort();
  }, connection.timeoutMs ?? USUAL_TIMEOUT_MS);
  const stop = (): void => {
    own.abort();
  };
  request.signal.addEventListener('abort', stop);
  if (request.signal.aborted) stop();
  try {
    return await unlessStopped(own.signal, async () => {
      const response = await fetched(connection, request, own.signal);
      noteServerTime(response);
      if (!response.ok) throw await errorOf(response);
      return [await read(response, request.isAnswer), response];
    });
  } catch (error) {
    throw late.signal.aborted && !request.signal.aborted ? timedOut() : error;
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener('abort', stop);
  }
}

async function fetched(connection: Connection, request: Repeatable<unknown>, signal: AbortSignal): Promise<Response> {
  const given = typeof connection.headers === 'function' ? await connection.headers() : connection.headers;
  const headers = new Headers(given);
  headers.set('Accept', 'application/json, application/problem+json');
  for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
  const init: RequestInit = { method: request.method ?? 'GET', headers, signal };
  if (request.body !== undefined) {
    headers.set('Content-Type', 'application/json');
    init.body = JSON.stringify(request.body);
  }
  if (connection.credentials !== undefined) init.credentials = connection.credentials;
  return (connection.fetch ?? globalThis.fetch)(baseUrlOf(connection) + request.path, init);
}

async function read<T>(response: Response, isAnswer: (body: unknown) => body is T): Promise<T> {
  const text = await response.text();
  let body: unknown;
  try {
    body = text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    throw unreadable(response, error);
  }
  if (!isAnswer(body)) throw unreadable(response);
  return body;
}

/** Returns how long to wait before the next attempt; undefined if there is none. */
function pauseAfter(error: AgentChatError, failures: number, retries: number): number | undefined {
  const isLost = error.status === 0 && !error.isAbort && !error.isTimeout && isOnline();
  if (failures >= retries || !(isLost || PASSING.has(error.status))) return undefined;
  if (error.retryAfter !== undefined) {
    const told = error.retryAfter * 1000;
    // Spread, so that all who were refused together do not come back together.
    return told > LONGEST_PAUSE_MS ? undefined : told + Math.random() * FIRST_PAUSE_MS;
  }
  const full = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
  return (full * (1 + Math.random())) / 2;
}

function waitForRunning({ retryAfter }: AgentChatError): number {
  const wait = retryAfter === undefined ? USUAL_WAIT_MS : Math.max(SHORTEST_WAIT_MS, retryAfter * 1000);
  return Math.min(wait, LONGEST_WAIT_MS);
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
