import type { components } from './api-types.js';

/** A validation error of one field of the request. */
export type FieldError = components['schemas']['FieldError'];

const NO_ROUTE = new Set([404, 405]);
const RUNNING = 409;

interface ServerProblem {
  status: number;
  title: string;
  detail: string;
  requestId?: string | undefined;
  retryAfter?: number | undefined;
  isAbort?: boolean;
  isTimeout?: boolean;
  isForeign?: boolean;
  errors?: readonly FieldError[];
  cause?: unknown;
}

/** The error of a request. Its texts can be shown to a user: they come from the API's problem, never from a raw body. */
export class MemoryClientError extends Error {
  override readonly name = 'MemoryClientError';
  /** The HTTP status; 0 without a response. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** The id of the request in the server's log. */
  readonly requestId: string | undefined;
  /** The server's `Retry-After`, in seconds. */
  readonly retryAfter: number | undefined;
  /** Whether the client stopped waiting; the server may have finished the request. */
  readonly isAbort: boolean;
  /** Whether the answer took longer than `timeoutMs`; the server may have finished the request. */
  readonly isTimeout: boolean;
  /** Whether the response does not come from this API: the address is wrong, or a proxy answered. */
  readonly isForeign: boolean;
  readonly errors: readonly FieldError[];
  /** Whether the server may have received the request. Sending it again is safe. */
  readonly mayHaveArrived: boolean;

  constructor(problem: ServerProblem) {
    super(problem.detail, { cause: problem.cause });
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.requestId = problem.requestId;
    this.retryAfter = problem.retryAfter;
    this.isAbort = problem.isAbort ?? false;
    this.isTimeout = problem.isTimeout ?? false;
    this.isForeign = problem.isForeign ?? false;
    this.errors = problem.errors ?? [];
    // A client error is a rejection, except that 409 reports a running request.
    this.mayHaveArrived = this.status < 400 || this.status >= 500 || this.status === RUNNING;
  }
}

/** Returns the error of a request that the client stopped. */
export function stoppedError(): MemoryClientError {
  const detail = 'The request was stopped. The server may still finish it.';
  return new MemoryClientError({ status: 0, title: 'Stopped', detail, isAbort: true });
}

/** Returns the error of a request without a response. */
export function noResponseError(cause: unknown): MemoryClientError {
  const [title, detail] = isOnline()
    ? ['No response', 'The server is not responding.']
    : ['Offline', 'You are offline.'];
  return new MemoryClientError({ status: 0, title, detail, cause });
}

/** Returns the error of a request that timed out. */
export function timeoutError(): MemoryClientError {
  const detail = 'The server did not answer in time. It may still finish.';
  return new MemoryClientError({ status: 0, title: 'Timeout', detail, isTimeout: true });
}

/** Returns the error of a response that does not come from this API: a proxy's page, a wrong address. */
export function unreadableError(response: Response, cause?: unknown): MemoryClientError {
  const detail = 'The response does not come from this API. Check the address.';
  const requestId = requestIdOf(response);
  const title = 'Unreadable response';
  return new MemoryClientError({ status: response.status, title, detail, requestId, isForeign: true, cause });
}

/** Returns the error of a request that cannot be sent: a value is not JSON, an id does not fit into a URL. */
export function unsendableError(
  cause: unknown,
  detail = 'The message, its metadata or its thread id has a value that cannot be sent.',
): MemoryClientError {
  return new MemoryClientError({ status: 400, title: 'Not sent', detail, cause });
}

/** Throws a MemoryClientError if messages may be missing, by the layers that did not respond. */
export function requireComplete(degraded: readonly string[]): void {
  // If only one of the two stores is down, the other one has the messages. The search has none.
  const missing = degraded.filter((layer) => layer !== 'search');
  const [layer] = missing;
  if (layer === undefined || (missing.length === 1 && (layer === 'redis' || layer === 'postgres'))) return;
  const detail = `Earlier messages may be missing, because these layers did not respond: ${missing.join(', ')}.`;
  throw new MemoryClientError({ status: 503, title: 'Memory incomplete', detail });
}

/** Returns the error of a response with an error status. */
export async function errorOf(response: Response): Promise<MemoryClientError> {
  const problem = await problemOf(response);
  // Any server uses these statuses for an unknown route. This API always adds a problem.
  if (NO_ROUTE.has(response.status) && problem['status'] !== response.status) return unreadableError(response);
  const field = (name: string): string | undefined => {
    const value = problem[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const title = field('title') ?? titleOf(response.status);
  return new MemoryClientError({
    status: response.status,
    title,
    detail: field('detail') ?? `${title}. The server gave no details.`,
    requestId: field('request_id') ?? requestIdOf(response),
    retryAfter: retryAfterOf(response),
    errors: Array.isArray(problem['errors']) ? problem['errors'].filter(isFieldError) : [],
  });
}

/** Returns the seconds of a `Retry-After`, which may also be a date. */
export function retryAfterOf(response: Response): number | undefined {
  const value = response.headers.get('Retry-After')?.trim();
  if (value === undefined || value === '') return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

async function problemOf(response: Response): Promise<Record<string, unknown>> {
  if (!response.headers.get('Content-Type')?.includes('application/problem+json')) return {};
  try {
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null ? { ...body } : {};
  } catch {
    // The body is truncated or not JSON. The status is enough.
    return {};
  }
}

function isFieldError(value: unknown): value is FieldError {
  return typeof value === 'object' && value !== null && 'field' in value && 'detail' in value;
}

function requestIdOf(response: Response): string | undefined {
  return response.headers.get('x-request-id') ?? response.headers.get('x-amzn-requestid') ?? undefined;
}

/** Returns false if the browser knows that it has no network. */
export function isOnline(): boolean {
  return typeof navigator === 'undefined' || (navigator as { onLine?: boolean }).onLine !== false;
}

function titleOf(status: number): string {
  if (status === 401) return 'Not signed in';
  if (status === 403) return 'Not allowed';
  if (status === 429) return 'Too many requests';
  return status >= 500 ? 'The server failed' : 'The request failed';
}
