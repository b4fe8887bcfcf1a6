import { MemoryClientError } from './errors.js';

/** What went wrong with a request. `foreign` is a response that does not come from this API. */
export type ErrorKind =
  | 'aborted'
  | 'timeout'
  | 'unreachable'
  | 'foreign'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'too-many-requests'
  | 'invalid'
  | 'unavailable'
  | 'server-error';

const BY_STATUS: Readonly<Record<number, ErrorKind>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  429: 'too-many-requests',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/** Returns what went wrong, for a `switch`. */
export function kindOf(error: MemoryClientError): ErrorKind {
  if (error.isAbort) return 'aborted';
  if (error.isTimeout) return 'timeout';
  if (error.isForeign) return 'foreign';
  if (error.status === 0) return 'unreachable';
  return BY_STATUS[error.status] ?? (error.status >= 500 ? 'server-error' : 'invalid');
}

/** Returns whether the thread, exchange or memory does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof MemoryClientError && error.status === 404 && !error.isForeign;
}

/** Returns whether the API rejected the exchange id: the clock of this machine is ahead of the server's. */
export function isIdRejected(error: unknown): boolean {
  return (
    error instanceof MemoryClientError &&
    error.status === 422 &&
    error.errors.some(({ field }) => field === 'exchange_id')
  );
}
