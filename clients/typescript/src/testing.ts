import type { components } from './api-types.js';
import {
  foundOf,
  headOf,
  json,
  memoryOf,
  messagesOf,
  nothing,
  optionalText,
  pageOf,
  Problem,
  problemOf,
  textOf,
  type FakeExchange,
  type FakeThread,
  type Json,
} from './fake-json.js';
import { newExchangeId } from './ids.js';

export type { FakeExchange, FakeThread };

type Schemas = components['schemas'];

export interface FakeMemoryOptions {
  /** Answers `POST /run`. Default: `You said: …`. */
  readonly agent?: ((prompt: string, history: readonly FakeExchange[]) => string | Promise<string>) | undefined;
}

interface FakeRequest {
  readonly method: string;
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Json;
  readonly key: string | null;
}

interface Run {
  readonly body: string;
  readonly exchangeId: string;
  answer?: Json;
}

/**
 * A memory server without a network for unit tests: pass its `fetch` to the client or the hook.
 *
 * It stores exchanges, preferences and memories as the API does: a repetition under the same id or key is the same exchange.
 * It has one store that always answers, checks no tokens, and learns nothing. Routes that it does not have are 501.
 */
export class FakeMemory {
  /** The threads by id, in the order of their creation. */
  readonly threads = new Map<string, FakeThread>();
  /** The preferences by user id. */
  readonly preferences = new Map<string, Record<string, string>>();
  /** The explicit memories by user id, the newest first. */
  readonly memories = new Map<string, Schemas['MemoryAnswer'][]>();
  /** Each request, as its method and path. */
  readonly requests: string[] = [];
  readonly #runs = new Map<string, Run>();
  readonly #agent: NonNullable<FakeMemoryOptions['agent']>;
  readonly #failures: (Response | Error)[] = [];

  constructor({ agent = (prompt) => `You said: ${prompt}` }: FakeMemoryOptions = {}) {
    this.#agent = agent;
  }

  /** Answers the next request with this response, or fails it with this error. Call it again for further requests. */
  failNext(failure: Response | Error): void {
    this.#failures.push(failure);
  }

  /** Returns the exchanges of a thread, the oldest first. */
  exchangesOf(threadId: string): FakeExchange[] {
    return Array.from(this.threads.get(threadId)?.exchanges.values() ?? []);
  }

  /** A `fetch` that the fake answers. */
  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input instanceof Request ? input : new URL(input, 'http://fake.test'), init);
    request.signal.throwIfAborted();
    const url = new URL(request.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    const failure = this.#failures.shift();
    if (failure instanceof Error) throw failure;
    if (failure) return failure;
    const text = await request.text();
    // The base URL may have a path, such as the stage.
    const path = /\/(run|invoking|invoked|search|threads|users|health)(\/.*)?$/.exec(url.pathname)?.[0] ?? '';
    const parts = path.split('/').slice(1).map(decodeURIComponent);
    const key = request.headers.get('Idempotency-Key');
    try {
      const body = text === '' ? {} : (JSON.parse(text) as Json);
      return await this.#answer({ method: request.method, parts, query: url.searchParams, body, key });
    } catch (error) {
      if (error instanceof Problem) return problemOf(error);
      throw error;
    }
  };

  async #answer(request: FakeRequest): Promise<Response> {
    const { method, parts, body, key } = request;
    const [root = '', id, part, partId] = parts;
    const route = `${method} /${[root, id && '{id}', part, partId && '{id}'].filter(Boolean).join('/')}`;
    switch (route) {
      case 'POST /run':
        return json(200, await this.#run(body, key));
      case 'POST /invoking':
        return json(200, this.#context(body));
      case 'POST /invoked':
        return json(202, this.#store(body));
      case 'POST /search':
        return json(200, this.#search(body));
      case 'GET /health':
        return json(200, { status: 'ok', redis: 'ok', postgres: 'ok', queue: 'ok' });
      case 'GET /threads':
        return json(200, this.#list(request.query));
    }
    if (root === 'threads' && id !== undefined) return this.#answerThread(route, id, partId ?? '', request);
    if (root === 'users' && id !== undefined) return this.#answerUser(route, id, partId ?? '', request);
    throw new Problem(501, `The fake memory does not answer ${route}.`);
  }

  #answerThread(route: string, threadId: string, exchangeId: string, { query, body }: FakeRequest): Response {
    const thread = this.threads.get(threadId);
    if (!thread) throw new Problem(404, 'There is no such thread.');
    switch (route) {
      case 'GET /threads/{id}':
        return json(200, { ...headOf(threadId, thread), document_ids: thread.documentIds });
      case 'PATCH /threads/{id}':
        thread.title = textOf(body, 'title');
        return json(200, { ...headOf(threadId, thread), document_ids: thread.documentIds });
      case 'DELETE /threads/{id}':
        this.threads.delete(threadId);
        return nothing();
      case 'GET /threads/{id}/messages': {
        const messages = this.exchangesOf(threadId).flatMap(messagesOf);
        if (query.get('order') === 'desc') messages.reverse();
        return json(200, { ...pageOf(messages, query), degraded: [] });
      }
    }
    const stored = thread.exchanges.get(exchangeId);
    if (!stored) throw new Problem(404, 'There is no such exchange.');
    if (route === 'DELETE /threads/{id}/exchanges/{id}') {
      thread.exchanges.delete(exchangeId);
      thread.deleted.add(exchangeId);
      return nothing();
    }
    if (route !== 'PUT /threads/{id}/exchanges/{id}') throw new Problem(501, `The fake does not answer ${route}.`);
    thread.exchanges.set(exchangeId, {
      ...stored,
      userMessage: textOf(body, 'user_message'),
      assistantMessage: textOf(body, 'assistant_message'),
      metadata: (body['metadata'] ?? undefined) as Json | undefined,
      revision: stored.revision + 1,
    });
    return json(202, { exchange_id: exchangeId, durability: 'queue', cached: true, degraded: [] });
  }

  #answerUser(route: string, userId: string, memoryId: string, { body, query }: FakeRequest): Response {
    const memories = this.memories.get(userId) ?? [];
    const found = memories.find(({ id }) => id === memoryId);
    switch (route) {
      case 'DELETE /users/{id}':
        for (const [id, thread] of this.threads) if (thread.userId === userId) this.threads.delete(id);
        this.preferences.delete(userId);
        this.memories.delete(userId);
        return nothing();
      case 'GET /users/{id}/preferences':
        return json(200, this.preferences.get(userId) ?? {});
      case 'PUT /users/{id}/preferences':
      case 'PATCH /users/{id}/preferences': {
        const before = route.startsWith('PATCH') ? this.preferences.get(userId) : {};
        const entries = Object.entries({ ...before, ...body }).filter(([, value]) => value !== null);
        const preferences = Object.fromEntries(entries) as Record<string, string>;
        this.preferences.set(userId, preferences);
        return json(200, preferences);
      }
      case 'DELETE /users/{id}/preferences':
        this.preferences.delete(userId);
        return nothing();
      case 'GET /users/{id}/memories':
        return json(200, { ...pageOf(memories, query), omitted: 0, degraded: [] });
      case 'POST /users/{id}/memories': {
        const memory = memoryOf(body);
        const others = memories.filter(({ key, text }) =>
          memory.key === null ? text !== memory.text : key !== memory.key,
        );
        this.memories.set(userId, [memory, ...others]);
        return json(201, memory);
      }
      case 'DELETE /users/{id}/memories':
        this.memories.delete(userId);
        return nothing();
    }
    if (!found) throw new Problem(404, 'There is no such memory.');
    if (route === 'DELETE /users/{id}/memories/{id}') {
      this.memories.set(
        userId,
        memories.filter((each) => each !== found),
      );
      return nothing();
    }
    if (route === 'PATCH /users/{id}/memories/{id}') found.text = textOf(body, 'text');
    else if (route !== 'GET /users/{id}/memories/{id}') throw new Problem(501, `The fake does not answer ${route}.`);
    return json(200, found);
  }

  async #run(body: Json, key: string | null): Promise<Json> {
    const prompt = textOf(body, 'prompt');
    const replaces = optionalText(body, 'replaces');
    const exchangeId = replaces ?? optionalText(body, 'exchange_id') ?? newExchangeId();
    const threadId = optionalText(body, 'thread_id');
    const thread = threadId === null ? undefined : this.threads.get(threadId);
    const runKey = key ?? exchangeId;
    const running = this.#runs.get(runKey);
    const text = JSON.stringify(body);
    if (running) {
      if (running.body !== text) throw new Problem(422, 'The Idempotency-Key belongs to another request.');
      if (!running.answer) throw new Problem(409, 'The first request with this Idempotency-Key still runs.');
      if (thread?.deleted.has(running.exchangeId)) throw new Problem(422, 'The exchange of this key was deleted.');
      return running.answer;
    }
    if (replaces !== null && !thread?.exchanges.has(replaces)) throw new Problem(404, 'There is no such exchange.');
    const run: Run = { body: text, exchangeId };
    this.#runs.set(runKey, run);
    try {
      const history = threadId === null ? [] : this.exchangesOf(threadId);
      const index = history.findIndex((each) => each.exchangeId === replaces);
      const response = await this.#agent(prompt, index === -1 ? history : history.slice(0, index));
      const exchange = { ...body, user_message: prompt, assistant_message: response, exchange_id: exchangeId };
      const stored = this.#store(exchange, replaces !== null);
      const { durability, cached } = stored;
      const source = history.length > 0 ? 'redis' : 'none';
      const memory = { source, degraded: [], durability, cached, context_tokens: 0, omitted_exchanges: 0 };
      run.answer = { response, thread_id: threadId, exchange_id: exchangeId, memory };
      return run.answer;
    } catch (error) {
      // A failed run stores nothing, so the key is free again.
      this.#runs.delete(runKey);
      throw error;
    }
  }

  #store(body: Json, isReplacement = false): Json {
    const threadId = optionalText(body, 'thread_id');
    const userId = optionalText(body, 'user_id');
    const exchangeId = optionalText(body, 'exchange_id') ?? newExchangeId();
    const userMessage = textOf(body, 'user_message');
    const assistantMessage = textOf(body, 'assistant_message');
    const lost = { exchange_id: exchangeId, durability: 'none', cached: false, degraded: [] };
    if (threadId === null) return lost;
    const now = optionalText(body, 'created_at') ?? new Date().toISOString();
    const thread: FakeThread = this.threads.get(threadId) ?? {
      title: userMessage.slice(0, 80),
      userId,
      createdAt: now,
      updatedAt: now,
      documentIds: [],
      exchanges: new Map(),
      deleted: new Set(),
    };
    if (thread.deleted.has(exchangeId)) return lost;
    this.threads.set(threadId, thread);
    const documentIds = (body['document_ids'] ?? []) as string[];
    thread.documentIds.push(...documentIds.filter((each) => !thread.documentIds.includes(each)));
    const before = thread.exchanges.get(exchangeId);
    if (!before || isReplacement) {
      const metadata = (body['metadata'] ?? undefined) as Json | undefined;
      const revision = before ? before.revision + 1 : 0;
      const createdAt = before?.createdAt ?? now;
      const exchange = { exchangeId, userId, createdAt, userMessage, assistantMessage, metadata, revision };
      thread.exchanges.set(exchangeId, exchange);
      thread.updatedAt = now;
    }
    return { exchange_id: exchangeId, durability: 'queue', cached: true, degraded: [] };
  }

  #context(body: Json): Json {
    const exchanges = this.exchangesOf(optionalText(body, 'thread_id') ?? '');
    const limit = typeof body['limit'] === 'number' ? body['limit'] : 50;
    const shown = exchanges.slice(-limit);
    const messages = shown.flatMap(messagesOf);
    const preferences = this.preferences.get(optionalText(body, 'user_id') ?? '') ?? {};
    const context = shown.map((each) => `User: ${each.userMessage}\nAssistant: ${each.assistantMessage}`).join('\n');
    const omitted = exchanges.length - shown.length;
    const source = exchanges.length > 0 ? 'redis' : 'none';
    return { context, messages, preferences, context_tokens: 0, omitted_exchanges: omitted, source, degraded: [] };
  }

  #search(body: Json): Json {
    const words = textOf(body, 'query').toLowerCase().split(/\s+/);
    const userId = optionalText(body, 'user_id');
    const items = Array.from(this.threads).flatMap(([threadId, thread]) =>
      thread.userId === userId || userId === null
        ? this.exchangesOf(threadId)
            .filter(({ userMessage, assistantMessage }) =>
              words.every((word) => `${userMessage} ${assistantMessage}`.toLowerCase().includes(word)),
            )
            .map((each) => foundOf(threadId, thread, each))
        : [],
    );
    const limit = typeof body['limit'] === 'number' ? body['limit'] : 10;
    return { items: items.slice(0, limit), arms: ['text'], searched_up_to: new Date().toISOString(), degraded: [] };
  }

  #list(query: URLSearchParams): Json {
    const userId = query.get('user_id');
    const heads = Array.from(this.threads)
      .filter(([, thread]) => userId === null || thread.userId === userId)
      .map(([threadId, thread]) => headOf(threadId, thread));
    return { ...pageOf(heads.reverse(), query), degraded: [] };
  }
}
