import type { components } from '@hybrid-memory/react/api-types';

type Schemas = components['schemas'];
export type Layers = Schemas['LayersAnswer'];
export type Status = Schemas['StatusAnswer'];
export type QueueDepth = Schemas['WaitingAnswer'];
export type Overview = Schemas['OverviewAnswer'];
export type OverviewPart = Exclude<keyof Overview, 'problems' | 'as_of'>;
export type Stores = Schemas['StoresAnswer'];
export type ThreadItem = Schemas['ThreadItem'];
export type ThreadsPage = Schemas['ThreadsAnswer'];
export type StoredMessage = Schemas['MessageAnswer'];
export type Preferences = Record<string, string>;

const THREADS_PER_PAGE = 100;
const MESSAGES_PER_PAGE = 200;
/** The newest messages of the thread that are compared in both layers. */
const LAYER_MESSAGES = 24;
/** The API Gateway gives up after 29 s, too. */
const TIMEOUT_MS = 30_000;
const TRANSIENT = new Set([0, 502, 503, 504]);
const RETRY_PAUSES_MS = [500, 1_500];

/** An error response of the API. Its message is the `detail` of the problem. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 without a response. */
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

interface Options {
  baseUrl: string;
  token: string | null;
  onUnauthorized: () => void;
}

let instances = 0;

/** A client of the API. It sends the bearer token, if the page has one. */
export class Api {
  readonly baseUrl: string;
  /** Differs for each token, so that polls start again after a sign-in. */
  readonly version = ++instances;
  readonly #token: string | null;
  readonly #onUnauthorized: () => void;

  constructor({ baseUrl, token, onUnauthorized }: Options) {
    this.baseUrl = baseUrl;
    this.#token = token;
    this.#onUnauthorized = onUnauthorized;
  }

  /** Sends a request with the token. The chat's hook uses it as its `fetch`. */
  readonly fetch: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    if (this.#token !== null) headers.set('Authorization', `Bearer ${this.#token}`);
    const response = await globalThis.fetch(input, { ...init, headers });
    if (response.status === 401) this.#onUnauthorized();
    return response;
  };

  /** Returns these parts of what the page watches, in one response. */
  overview(userId: string, threadId: string | null, parts: readonly OverviewPart[], signal: AbortSignal): Promise<Overview> {
    const query = new URLSearchParams({
      user_id: userId,
      messages: String(LAYER_MESSAGES),
      threads: String(THREADS_PER_PAGE),
      include: parts.join(','),
    });
    if (threadId !== null) query.set('thread_id', threadId);
    return this.#request(`/overview?${query.toString()}`, { signal });
  }

  /** Returns a page of the user's threads, newest first: the first page, or the page of the cursor. */
  threads(userId: string, cursor?: string, signal?: AbortSignal): Promise<ThreadsPage> {
    const query = new URLSearchParams({ user_id: userId, limit: String(THREADS_PER_PAGE) });
    if (cursor !== undefined) query.set('cursor', cursor);
    return this.#request(`/threads?${query.toString()}`, signal && { signal });
  }

  /** Returns a thread; null if it does not exist, or is not stored yet. */
  async thread(threadId: string, signal?: AbortSignal): Promise<ThreadItem | null> {
    try {
      return await this.#request<ThreadItem>(threadPath(threadId), signal && { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  /** Returns a page of a thread's messages, oldest first: the first page, or the page of the cursor. */
  messages(threadId: string, cursor?: string, signal?: AbortSignal): Promise<Schemas['MessagesAnswer']> {
    const query = new URLSearchParams({ limit: String(MESSAGES_PER_PAGE) });
    if (cursor !== undefined) query.set('cursor', cursor);
    return this.#request(`${threadPath(threadId)}/messages?${query.toString()}`, signal && { signal });
  }

  rename(threadId: string, title: string): Promise<ThreadItem> {
    return this.#send('PATCH', threadPath(threadId), { title });
  }

  async delete(threadId: string): Promise<void> {
    await this.#send('DELETE', threadPath(threadId));
  }

  /** Sets preferences, removes those with the value null, and returns all of them. */
  changePreferences(userId: string, changes: Record<string, string | null>): Promise<Preferences> {
    return this.#send('PATCH', preferencesPath(userId), changes);
  }

  #send<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    return this.#retry(() => this.#request<T>(path, init));
  }

  /** Repeats a change that a store or the network has prevented. Each of these changes is idempotent. */
  async #retry<T>(request: () => Promise<T>): Promise<T> {
    for (const pause of RETRY_PAUSES_MS) {
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof ApiError && TRANSIENT.has(error.status) && navigator.onLine)) throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    return request();
  }

  async #request<T>(path: string, init?: RequestInit): Promise<T> {
    let response: Response;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const signal = init?.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    try {
      response = await this.fetch(this.baseUrl + path, { ...init, signal });
    } catch (error) {
      if (init?.signal?.aborted) throw error;
      throw new ApiError(0, navigator.onLine ? 'The server is not responding.' : 'You are offline.');
    }
    if (!response.ok) throw new ApiError(response.status, await detailOf(response));
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
}

async function detailOf(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null);
  const detail = typeof body === 'object' && body !== null && 'detail' in body ? body.detail : undefined;
  return typeof detail === 'string' ? detail : `The server answered with status ${response.status}.`;
}

function threadPath(threadId: string): string {
  return `/threads/${encodeURIComponent(threadId)}`;
}

function preferencesPath(userId: string): string {
  return `/users/${encodeURIComponent(userId)}/preferences`;
}
