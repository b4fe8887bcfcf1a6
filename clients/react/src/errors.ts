import type { components } from './api-types.js';

/** A field of the request that the API found fault with. */
export type FieldFault = components['schemas']['FieldError'];

interface Told {
  status: number;
  title: string;
  detail: string;
  requestId?: string | undefined;
  retryAfter?: number | undefined;
  isAbort?: boolean;
  isTimeout?: boolean;
  errors?: readonly FieldFault[];
  cause?: unknown;
}

/** What went wrong, in words fit for the person who chats: taken from the API's problem, never from a raw body. */
export class AgentChatError extends Error {
  override readonly name = 'AgentChatError';
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Under which the server's log knows the request. */
  readonly requestId: string | undefined;
  /** In seconds, when the server said how long to wait. */
  readonly retryAfter: number | undefined;
  /** Whether it was stopped here; the server may have finished all the same. */
  readonly isAbort: boolean;
  /** Whether the answer took longer than `timeoutMs`; the server may have finished all the same. */
  readonly isTimeout: boolean;
  readonly errors: readonly FieldFault[];

  constructor(told: Told) {
    super(told.detail, { cause: told.cause });
    this.status = told.status;
    this.title = told.title;
    this.detail = told.detail;
    this.requestId = told.requestId;
    this.retryAfter = told.retryAfter;
    this.isAbort = told.isAbort ?? false;
    this.isTimeout = told.isTimeout ?? false;
    this.errors = told.errors ?? [];
  }
}

/** Returns the error of a request that was stopped on this side. */
export function stopped(): AgentChatError {
  const detail = 'Stopped here. The server may still finish it; a refresh shows whether it did.';
  return new AgentChatError({ status: 0, title: 'Stopped', detail, isAbort: true });
}

/** Returns the error of a turn whose page or thread was left before the answer came. */
export function interrupted(): AgentChatError {
  const detail = 'The conversation was left before the answer came. The server may still finish it.';
  return new AgentChatError({ status: 0, title: 'Interrupted', detail, isAbort: true });
}

/** Returns the error of a request that got no answer. */
export function unanswered(cause: unknown): AgentChatError {
  const detail = isOnline() ? 'The server could not be reached.' : 'You are offline.';
  return new AgentChatError({ status: 0, title: 'No answer', detail, cause });
}

/** Returns the error of a request that was given up because its answer took too long. */
export function timedOut(): AgentChatError {
  const detail = 'The server did not answer in time. It may still finish.';
  return new AgentChatError({ status: 0, title: 'No answer', detail, isTimeout: true });
}

/** Returns the error of an answer that is not what the API answers: a proxy's page, a wrong address. */
export function unreadable(response: Response, cause?: unknown): AgentChatError {
  const detail = 'The server answered with something that is no answer of this API.';
  const requestId = requestIdOf(response);
  return new AgentChatError({ status: response.status, title: 'Unreadable answer', detail, requestId, cause });
}

/** Returns the error that an answer with an error status is. */
export async function errorOf(response: Response): Promise<AgentChatError> {
  const problem = await problemOf(response);
  const told = (name: string): string | undefined => {
    const value = problem[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const title = told('title') ?? titleOf(response.status);
  return new AgentChatError({
    status: response.status,
    title,
    detail: told('detail') ?? `${title}. The server did not say more.`,
    requestId: told('request_id') ?? requestIdOf(response),
    retryAfter: retryAfterOf(response),
    errors: Array.isArray(problem['errors']) ? problem['errors'].filter(isFieldFault) : [],
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
    // Cut off, or not what its type says; the status still tells what happened.
    return {};
  }
}

function isFieldFault(value: unknown): value is FieldFault {
  return typeof value === 'object' && value !== null && 'field' in value && 'detail' in value;
}

function requestIdOf(response: Response): string | undefined {
  return response.headers.get('x-request-id') ?? response.headers.get('x-amzn-requestid') ?? undefined;
}

/** Returns false where the browser knows that there is no network. */
export function isOnline(): boolean {
  return typeof navigator === 'undefined' || (navigator as { onLine?: boolean }).onLine !== false;
}

function titleOf(status: number): string {
  if (status === 401) return 'Not signed in';
  if (status === 403) return 'Not allowed';
  if (status === 429) return 'Too many requests';
  return status >= 500 ? 'The server failed' : 'The request failed';
}
