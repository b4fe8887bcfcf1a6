import { syncClock } from './clock.js';
import {
  MemoryClientError,
  errorOf,
  isOnline,
  stoppedError,
  timeoutError,
  noResponseError,
  unreadableError,
  unsendableError,
} from './errors.js';

/** How to reach the API. */
export interface Connection {
  /** The URL of the API with its stage. Default: the origin of the page. */
  readonly baseUrl?: string | undefined;
  /** Headers of every request. A function is called for each request, so that it can refresh a token. */
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined;
  readonly credentials?: RequestCredentials | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** The timeout of a request in milliseconds. Default: 60,000. */
  readonly timeoutMs?: number | undefined;
  /** How often to retry after no response, 429, 502, 503 or 504. Default: 3. */
  readonly retries?: number | undefined;
}

/** An idempotent request, which may be sent again. */
export interface RetryableRequest<T> {
  readonly path: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Checks the shape of the response body. */
  readonly isAnswer: (body: unknown) => body is T;
  /** The Unix milliseconds until which to wait for a running request with the same key (409); undefined for no wait. */
  readonly conflictDeadline?: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
// Browsers run a timer with a longer delay immediately.
const MAX_TIMER_MS = 2 ** 31 - 1;
const DEFAULT_RETRIES = 3;
const TRANSIENT = new Set([429, 502, 503, 504]);
const CONFLICT = 409;
const FIRST_PAUSE_MS = 400;
// If the server requires a longer wait, the user gets the error immediately.
const MAX_PAUSE_MS = 5_000;
const MIN_WAIT_MS = 250;
const DEFAULT_WAIT_MS = 1_000;
const MAX_WAIT_MS = 10_000;

/** Returns the base URL without a trailing slash. */
export function baseUrlOf(connection: Connection): string {
  return (connection.baseUrl ?? '').replace(/\/+$/, '');
}

/**
 * Sends a request, with retries after no response, 429, 502, 503 and 504.
 *
 * Throws only MemoryClientError.
 */
export async function send<T>(
  connection: Connection,
  request: RetryableRequest<T>,
): Promise<[body: T, response: Response]> {
  for (let failures = 0; ;) {
    try {
      return await sendOnce(connection, request);
    } catch (caught) {
      const error = caught as MemoryClientError;
      const isRunning = error.status === CONFLICT && Date.now() <= (request.conflictDeadline ?? 0);
      const wait = isRunning
        ? waitForRunning(error)
        : pauseAfter(error, failures, connection.retries ?? DEFAULT_RETRIES);
      if (wait === undefined) throw error;
      if (!isRunning) failures++;
      await pause(wait, request.signal);
    }
  }
}

async function sendOnce<T>(connection: Connection, request: RetryableRequest<T>): Promise<[T, Response]> {
  const controller = new AbortController();
  const timeout = new AbortController();
  const timer = setTimeout(
    () => {
      timeout.abort();
      controller.abort();
    },
    Math.min(connection.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMER_MS),
  );
  const stop = (): void => {
    controller.abort();
  };
  request.signal.addEventListener('abort', stop);
  if (request.signal.aborted) stop();
  try {
    return await unlessStopped(controller.signal, async () => {
      const response = await fetchResponse(connection, request, controller.signal);
      syncClock(response);
      if (!response.ok) throw await errorOf(response);
      return [await read(response, request.isAnswer), response];
    });
  } catch (error) {
    throw timeout.signal.aborted && !request.signal.aborted ? timeoutError() : error;
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener('abort', stop);
  }
}

async function fetchResponse(
  connection: Connection,
  request: RetryableRequest<unknown>,
  signal: AbortSignal,
): Promise<Response> {
  const connectionHeaders = typeof connection.headers === 'function' ? await connection.headers() : connection.headers;
  const headers = new Headers(connectionHeaders);
  headers.set('Accept', 'application/json, application/problem+json');
  for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
  const init: RequestInit = { method: request.method ?? 'GET', headers, signal };
  if (request.body !== undefined) {
    headers.set('Content-Type', 'application/json');
    init.body = jsonOf(request.body);
  }
  if (connection.credentials !== undefined) init.credentials = connection.credentials;
  return (connection.fetch ?? globalThis.fetch)(baseUrlOf(connection) + request.path, init);
}

function jsonOf(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw unsendableError(error);
  }
}

async function read<T>(response: Response, isAnswer: (body: unknown) => body is T): Promise<T> {
  const text = await response.text();
  let body: unknown;
  try {
    body = text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    throw unreadableError(response, error);
  }
  if (!isAnswer(body)) throw unreadableError(response);
  return body;
}

/** Returns the pause before the next attempt; undefined if no attempt follows. */
function pauseAfter(error: MemoryClientError, failures: number, retries: number): number | undefined {
  const isUnreachable = error.status === 0 && !error.isAbort && !error.isTimeout && isOnline();
  if (failures >= retries || !(isUnreachable || TRANSIENT.has(error.status))) return undefined;
  if (error.retryAfter !== undefined) {
    const waitMs = error.retryAfter * 1000;
    // The jitter keeps clients that were rejected together from retrying together.
    return waitMs > MAX_PAUSE_MS ? undefined : waitMs + Math.random() * FIRST_PAUSE_MS;
  }
  const full = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
  return (full * (1 + Math.random())) / 2;
}

function waitForRunning({ retryAfter }: MemoryClientError): number {
  const wait = retryAfter === undefined ? DEFAULT_WAIT_MS : Math.max(MIN_WAIT_MS, retryAfter * 1000);
  return Math.min(wait, MAX_WAIT_MS);
}

/** Runs the work. Rejects immediately when aborted, even if a custom `fetch` ignores the signal. */
async function unlessStopped<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  let stop: (() => void) | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      stop = () => {
        reject(stoppedError());
      };
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      else work().then(resolve, reject);
    });
  } catch (error) {
    if (signal.aborted) throw stoppedError();
    throw error instanceof MemoryClientError ? error : noResponseError(error);
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
