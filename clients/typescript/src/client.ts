import type { components, operations } from './api-types.js';
import { requireComplete, unsendableError } from './errors.js';
import { send, type Connection, type RetryableRequest } from './http.js';
import { exchangeIdAt, newExchangeId, newId } from './ids.js';
import { isIdRejected, isMissing } from './kinds.js';

/** The schemas of the API's description, by name. */
export type Schemas = components['schemas'];
type Query<Name extends keyof operations> = NonNullable<operations[Name]['parameters']['query']>;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends RequestOptions {
  /** Repetitions with the same key and body run once. Default: the `exchange_id` of the body, or a new key. */
  readonly idempotencyKey?: string | undefined;
}

export interface PagesOptions extends RequestOptions {
  /** Whether to continue if messages or memories may be missing, because layers did not respond. Default: false. */
  readonly allowDegraded?: boolean | undefined;
}

// Longer than the lease of an Idempotency-Key (40 s). When the lease ends, the server runs this request instead.
const MAX_WAIT_MS = 60_000;

/**
 * A client of the API. All methods throw only MemoryClientError, retry without a second effect, and take an AbortSignal.
 *
 * Bodies and answers are the JSON of the API. Deletions succeed if there is nothing to delete.
 */
export class MemoryClient {
  readonly #connection: Connection;

  constructor(connection: Connection = {}) {
    this.#connection = connection;
  }

  /** Runs a turn. While an earlier request with the same key runs, waits for its answer. */
  async run(body: Schemas['RunRequest'], options: RunOptions = {}): Promise<Schemas['RunAnswer']> {
    const key = options.idempotencyKey ?? body.exchange_id ?? newId();
    const conflictDeadline = Date.now() + MAX_WAIT_MS;
    const headers = { 'Idempotency-Key': key };
    return this.#send('POST', '/run', hasFields('response', 'memory'), { body, headers, conflictDeadline, ...options });
  }

  /** Returns the context of a turn. */
  async invoking(body: Schemas['InvokingRequest'], options?: RequestOptions): Promise<Schemas['InvokingAnswer']> {
    return this.#send('POST', '/invoking', hasFields('degraded'), { body, ...options });
  }

  /** Stores an exchange, once: without an `exchange_id`, the client makes one for all attempts. */
  async invoked(body: Schemas['InvokedRequest'], options?: RequestOptions): Promise<Schemas['InvokedAnswer']> {
    const store = (exchange_id: string): Promise<Schemas['InvokedAnswer']> =>
      this.#send('POST', '/invoked', hasFields('durability'), { body: { ...body, exchange_id }, ...options });
    if (body.exchange_id) return store(body.exchange_id);
    if (body.created_at) return store(exchangeIdAt(Date.parse(body.created_at)));
    try {
      return await store(newExchangeId());
    } catch (error) {
      // The clock of this machine is wrong. An id without a time gets the server's.
      if (isIdRejected(error)) return store(newId());
      throw error;
    }
  }

  /** Searches everything that a user said or was told. */
  async search(body: Schemas['SearchRequest'], options?: RequestOptions): Promise<Schemas['SearchAnswerBody']> {
    return this.#send('POST', '/search', hasFields('items', 'degraded'), { body, ...options });
  }

  /** Returns a page of a user's threads, the newest first. */
  async listThreads(query: Query<'list_threads'> = {}, options?: RequestOptions): Promise<Schemas['ThreadsAnswer']> {
    return this.#send('GET', `/threads${queryOf(query)}`, hasFields('items'), options);
  }

  /** Yields all threads of a user, the newest first. */
  async *threads(
    query: Query<'list_threads'> = {},
    options?: RequestOptions,
  ): AsyncGenerator<Schemas['ThreadsAnswer']['items'][number]> {
    for await (const page of pagesOf((cursor) => this.listThreads({ ...query, ...cursor }, options))) yield* page.items;
  }

  async readThread(threadId: string, options?: RequestOptions): Promise<Schemas['ThreadAnswer']> {
    return this.#send('GET', pathOf`/threads/${threadId}`, hasFields('thread_id'), options);
  }

  async renameThread(threadId: string, title: string, options?: RequestOptions): Promise<Schemas['ThreadAnswer']> {
    return this.#send('PATCH', pathOf`/threads/${threadId}`, hasFields('thread_id'), { body: { title }, ...options });
  }

  async deleteThread(threadId: string, options?: RequestOptions): Promise<void> {
    return this.#delete(pathOf`/threads/${threadId}`, options);
  }

  /** Returns what Redis and PostgreSQL hold of a thread. */
  async readLayers(
    threadId: string,
    query: Query<'read_layers'> = {},
    options?: RequestOptions,
  ): Promise<Schemas['LayersAnswer']> {
    return this.#send('GET', pathOf`/threads/${threadId}/layers` + queryOf(query), isObject, options);
  }

  /** Returns a page of a thread's messages, the oldest first unless `order` is `desc`. */
  async readMessages(
    threadId: string,
    query: Query<'read_messages'> = {},
    options?: RequestOptions,
  ): Promise<Schemas['MessagesAnswer']> {
    const path = pathOf`/threads/${threadId}/messages` + queryOf(query);
    return this.#send('GET', path, hasFields('items', 'degraded'), options);
  }

  /** Yields the pages of a thread's messages, each with the layers that did not respond. */
  messagePages(
    threadId: string,
    query: Query<'read_messages'> = {},
    options?: RequestOptions,
  ): AsyncGenerator<Schemas['MessagesAnswer']> {
    return pagesOf((cursor) => this.readMessages(threadId, { ...query, ...cursor }, options));
  }

  /** Yields the messages of a thread. Throws if messages may be missing, unless `allowDegraded` is true. */
  async *messages(
    threadId: string,
    query: Query<'read_messages'> = {},
    options: PagesOptions = {},
  ): AsyncGenerator<Schemas['MessageAnswer']> {
    for await (const page of this.messagePages(threadId, query, options)) {
      if (!options.allowDegraded) requireComplete(page.degraded);
      yield* page.items;
    }
  }

  /** Replaces the texts and the metadata of an exchange in its place. */
  async replaceExchange(
    threadId: string,
    exchangeId: string,
    body: Schemas['ReplaceRequest'],
    options?: RequestOptions,
  ): Promise<Schemas['InvokedAnswer']> {
    const path = pathOf`/threads/${threadId}/exchanges/${exchangeId}`;
    return this.#send('PUT', path, hasFields('durability'), { body, ...options });
  }

  async deleteExchange(threadId: string, exchangeId: string, options?: RequestOptions): Promise<void> {
    return this.#delete(pathOf`/threads/${threadId}/exchanges/${exchangeId}`, options);
  }

  async readPreferences(userId: string, options?: RequestOptions): Promise<Record<string, string>> {
    return this.#send('GET', pathOf`/users/${userId}/preferences`, isTexts, options);
  }

  /** Sets all preferences of a user, and removes all others. Returns them. */
  async replacePreferences(
    userId: string,
    body: Readonly<Record<string, string>>,
    options?: RequestOptions,
  ): Promise<Record<string, string>> {
    return this.#send('PUT', pathOf`/users/${userId}/preferences`, isTexts, { body, ...options });
  }

  /** Sets some preferences of a user; null removes one. Returns all. */
  async mergePreferences(
    userId: string,
    body: Readonly<Record<string, string | null>>,
    options?: RequestOptions,
  ): Promise<Record<string, string>> {
    return this.#send('PATCH', pathOf`/users/${userId}/preferences`, isTexts, { body, ...options });
  }

  async deletePreferences(userId: string, options?: RequestOptions): Promise<void> {
    return this.#delete(pathOf`/users/${userId}/preferences`, options);
  }

  /** Returns a page of what is known about a user, the newest first. */
  async listMemories(
    userId: string,
    query: Query<'list_memories'> = {},
    options?: RequestOptions,
  ): Promise<Schemas['MemoriesAnswer']> {
    const path = pathOf`/users/${userId}/memories` + queryOf(query);
    return this.#send('GET', path, hasFields('items', 'degraded'), options);
  }

  /** Yields all that is known about a user. Throws if memories may be missing, unless `allowDegraded` is true. */
  async *memories(
    userId: string,
    query: Query<'list_memories'> = {},
    options: PagesOptions = {},
  ): AsyncGenerator<Schemas['MemoryAnswer']> {
    for await (const page of pagesOf((cursor) => this.listMemories(userId, { ...query, ...cursor }, options))) {
      // Without PostgreSQL, summaries are missing.
      if (!options.allowDegraded) requireComplete(page.degraded.includes('postgres') ? ['memories'] : page.degraded);
      yield* page.items;
    }
  }

  async addMemory(
    userId: string,
    body: Schemas['MemoryRequest'],
    options?: RequestOptions,
  ): Promise<Schemas['MemoryAnswer']> {
    return this.#send('POST', pathOf`/users/${userId}/memories`, hasFields('id', 'text'), { body, ...options });
  }

  async readMemory(userId: string, memoryId: string, options?: RequestOptions): Promise<Schemas['MemoryAnswer']> {
    return this.#send('GET', pathOf`/users/${userId}/memories/${memoryId}`, hasFields('id', 'text'), options);
  }

  async correctMemory(
    userId: string,
    memoryId: string,
    text: string,
    options?: RequestOptions,
  ): Promise<Schemas['MemoryAnswer']> {
    const path = pathOf`/users/${userId}/memories/${memoryId}`;
    return this.#send('PATCH', path, hasFields('id', 'text'), { body: { text }, ...options });
  }

  async deleteMemory(userId: string, memoryId: string, options?: RequestOptions): Promise<void> {
    return this.#delete(pathOf`/users/${userId}/memories/${memoryId}`, options);
  }

  async deleteMemories(userId: string, options?: RequestOptions): Promise<void> {
    return this.#delete(pathOf`/users/${userId}/memories`, options);
  }

  /** Deletes everything of a user: threads, preferences and memories. */
  async deleteUser(userId: string, options?: RequestOptions): Promise<void> {
    return this.#delete(pathOf`/users/${userId}`, options);
  }

  async health(options?: RequestOptions): Promise<Schemas['HealthAnswer']> {
    return this.#send('GET', '/health', hasFields('status'), options);
  }

  async readStatus(options?: RequestOptions): Promise<Schemas['StatusAnswer']> {
    return this.#send('GET', '/status', isObject, options);
  }

  /** Returns all that a page watches in one answer. */
  async readOverview(query: Query<'read_overview'> = {}, options?: RequestOptions): Promise<Schemas['OverviewAnswer']> {
    return this.#send('GET', `/overview${queryOf(query)}`, isObject, options);
  }

  /** Returns the API's description. */
  async openapi(options?: RequestOptions): Promise<Record<string, unknown>> {
    return this.#send('GET', '/openapi.json', hasFields('openapi'), options);
  }

  async #send<T extends object>(
    method: string,
    path: string,
    isAnswer: (body: unknown) => boolean,
    options: Partial<Omit<RetryableRequest<T>, 'isAnswer' | 'signal'>> & RequestOptions = {},
  ): Promise<T> {
    const [body] = await send<T>(this.#connection, {
      ...options,
      method,
      path,
      signal: options.signal ?? new AbortController().signal,
      isAnswer: (answer): answer is T => isAnswer(answer),
    });
    return body;
  }

  async #delete(path: string, { signal = new AbortController().signal }: RequestOptions = {}): Promise<void> {
    try {
      await send(this.#connection, { method: 'DELETE', path, signal, isAnswer: (body) => body === undefined });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

/** Yields pages until there is none after the last one. */
async function* pagesOf<Page extends { readonly next_cursor?: string | null }>(
  read: (page: { cursor?: string }) => Promise<Page>,
): AsyncGenerator<Page> {
  let cursor: string | null | undefined;
  do {
    const page = await read(cursor ? { cursor } : {});
    yield page;
    cursor = page.next_cursor;
  } while (cursor);
}

/** Returns a path with encoded parts. Throws a MemoryClientError if a URL cannot contain a part. */
function pathOf(texts: TemplateStringsArray, ...parts: string[]): string {
  return parts.reduce((path, part, index) => {
    try {
      return path + encodeURIComponent(part) + (texts[index + 1] ?? '');
    } catch (error) {
      throw unsendableError(error, 'An id has a character that cannot be sent.');
    }
  }, texts[0] ?? '');
}

function queryOf(query: object): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query) as [string, unknown][]) {
    if (value === undefined || value === null) continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

function isObject(body: unknown): body is Record<string, unknown> {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

function isTexts(body: unknown): boolean {
  return isObject(body) && Object.values(body).every((value) => typeof value === 'string');
}

/** Checks the fields that the API always returns. Another server's JSON lacks them. */
function hasFields(...names: string[]): (body: unknown) => boolean {
  return (body) => isObject(body) && names.every((name) => name in body);
}
