import type { RunRequest } from './api.js';
import type { CachedThread, Unsent } from './cache.js';
import { interruptedError, type AgentChatError } from './errors.js';
import type { ChatMessage, ChatSnapshot, TurnContext } from './types.js';
import { applyServer, keyOf, mergeMessages, prepend, revisionOf } from './merge.js';

/** A turn that waits for its answer, with the request to repeat. */
export interface TurnRequest {
  exchangeId: string;
  body: RunRequest;
  /** The `Idempotency-Key`. */
  key: string;
  /** The question and the answer before their replacement; undefined if nothing is to be restored. */
  original: readonly ChatMessage[] | undefined;
  readonly controller: AbortController;
  /** Resolves with the answer; with undefined after a failure. Never rejects. */
  readonly done: Promise<ChatMessage | undefined>;
  readonly settle: (answer?: ChatMessage) => void;
}

/** A page of the history, without its messages. */
export interface PageInfo {
  /** The cursor of the next older page; null if there is none. */
  readonly cursor: string | null;
  /** Layers that did not respond. */
  readonly degraded: readonly string[];
}

/** The local state of a thread: messages, waiting turns, loaded history. */
export class Thread {
  messages: ChatMessage[];
  /** Failed requests that may be sent again, by exchange id. */
  readonly unsent = new Map<string, Unsent>();
  queue: TurnRequest[] = [];
  running: TurnRequest | undefined;
  error: AgentChatError | undefined;
  sendFailed = false;
  lastContext: TurnContext | undefined;

  /** The cursor of the next older page; null if there is none or nothing is loaded yet. */
  cursor: string | null = null;
  /** Whether the newest page is loaded, or the thread is new. */
  isLoaded: boolean;
  historyFailed = false;
  historyDegraded: string[] = [];
  /** The running reads: of the newest page, the next refresh after it, and an older page. */
  newest: Promise<void> | undefined;
  queuedRefresh: Promise<void> | undefined;
  older: Promise<void> | undefined;
  reading = new AbortController();

  /** Whether the messages come from the cache and the server has not confirmed them. */
  #isCached = false;
  /** Whether the cache left out older messages, so that their cursor is unknown. */
  #isTruncated = false;
  /** The keys of the messages that the server has returned. */
  readonly #confirmedKeys: Set<string>;
  #snapshot: ChatSnapshot | undefined;

  /** With `isNew`, the thread was created here and the server has no messages of it. */
  constructor(
    readonly key: string,
    readonly id: string,
    readonly userId: string | null,
    isNew: boolean,
    initial: readonly ChatMessage[] = [],
    cached?: CachedThread,
  ) {
    this.isLoaded = isNew;
    this.messages = [...initial];
    this.#confirmedKeys = new Set(initial.map(keyOf));
    if (cached) this.#restore(cached);
  }

  /** The state to cache for the next visit. */
  get cacheable(): CachedThread {
    const waiting = this.waiting.map(({ exchangeId, body, key, original }) => {
      return { exchangeId, body, key, original, isInterrupted: true };
    });
    const cursor = this.#isTruncated ? undefined : this.cursor;
    return { messages: this.messages, unsent: [...this.unsent.values(), ...waiting], cursor };
  }

  #restore({ messages, unsent, cursor }: CachedThread): void {
    // An answer that was being replaced still stands.
    const isSent = (message: ChatMessage): boolean => message.status === 'sent' || message.role === 'assistant';
    const initial = new Set(this.messages.map(keyOf));
    // Initial messages are newer than cached ones.
    const restored = messages.filter(
      (message) => !initial.has(keyOf(message)) && (initial.size === 0 || !isSent(message)),
    );
    for (const message of restored.filter(isSent)) this.#confirmedKeys.add(keyOf(message));
    const asFailed = (message: ChatMessage): ChatMessage => ({
      ...message,
      status: 'failed',
      error: interruptedError(),
    });
    const restore = (message: ChatMessage): ChatMessage => {
      return isSent(message) ? { ...message, status: 'sent' } : asFailed(message);
    };
    this.messages = [...this.messages, ...restored.map(restore)];
    for (const request of unsent) this.unsent.set(request.exchangeId, request);
    this.#isCached = initial.size === 0;
    this.#isTruncated = cursor === undefined;
    this.cursor = cursor ?? null;
  }

  /** The snapshot for React; the same object until something changes. */
  get snapshot(): ChatSnapshot {
    return (this.#snapshot ??= {
      threadId: this.id,
      userId: this.userId,
      messages: this.messages,
      status: this.running ? 'submitted' : this.sendFailed ? 'error' : 'ready',
      historyStatus: this.#historyStatus(),
      historyDegraded: this.historyDegraded,
      error: this.error,
      hasMore: this.cursor !== null,
      lastContext: this.lastContext,
    });
  }

  /** The running turn, then the queued ones. */
  get waiting(): TurnRequest[] {
    return this.running ? [this.running, ...this.queue] : [...this.queue];
  }

  /** The exchanges of failed messages that the server may have. */
  get uncertain(): string[] {
    const failed = this.messages.filter(({ status, error }) => status === 'failed' && error?.mayHaveArrived);
    return failed.map(({ id, exchangeId }) => exchangeId ?? id);
  }

  /** Invalidates the snapshot. */
  changed(): void {
    this.#snapshot = undefined;
  }

  #historyStatus(): ChatSnapshot['historyStatus'] {
    if (this.newest ?? this.older) return 'loading';
    if (this.historyFailed) return 'error';
    return this.isLoaded ? 'ready' : 'idle';
  }

  /** Whether no message is missing between these messages and the loaded ones. */
  isContiguous(server: readonly ChatMessage[]): boolean {
    // Without confirmed messages, any page is accepted, except for a thread that was created here: it must be read
    // back to its beginning, to find the turns of other browser tabs.
    if (this.#confirmedKeys.size === 0 || this.#isCached) return !this.isLoaded;
    return server.some((message) => this.#confirmedKeys.has(keyOf(message)));
  }

  /** Marks the messages as cached, so that the next visit asks the server again. */
  leave(): void {
    this.#isCached = true;
    this.isLoaded = this.historyFailed = false;
    this.historyDegraded = [];
    this.lastContext = undefined;
    this.clearError();
    this.changed();
  }

  /** Merges a page of the server, oldest first. */
  mergeServer(loaded: readonly ChatMessage[], side: 'newest' | 'older', page: PageInfo): void {
    const unreplaced = this.#unreplaced(loaded);
    // Until a question is replaced on the server, its new text is shown.
    const server = loaded.flatMap((message) => {
      return unreplaced.has(message.exchangeId) ? (this.find(keyOf(message)) ?? []) : message;
    });
    const isCached = this.#isCached && side === 'newest';
    // A degraded page may lack messages that exist.
    const keepsOlder = isCached && page.degraded.length === 0 && this.#dropOutdated(server, page.cursor !== null);
    if (side === 'older' || !(this.isLoaded || keepsOlder)) this.cursor = page.cursor;
    if (isCached) this.#isCached = this.#isTruncated = false;
    this.isLoaded = true;
    this.historyFailed = false;
    this.historyDegraded = [...page.degraded];
    this.messages =
      side === 'older'
        ? prepend(this.messages, server)
        : mergeMessages(this.messages, server, (message) => !this.#confirmedKeys.has(keyOf(message)));
    for (const message of server) {
      this.#confirmedKeys.add(keyOf(message));
      // The server has the exchange, so there is nothing to resend.
      const isOpen = this.running?.exchangeId === message.exchangeId || unreplaced.has(message.exchangeId);
      if (message.exchangeId !== null && !isOpen) this.unsent.delete(message.exchangeId);
    }
    const isFailed = this.messages.some((message) => message.error !== undefined && message.error === this.error);
    if (!isFailed) this.clearError();
  }

  /**
   * Drops cached messages that the newest page no longer has. If messages may be missing between the page and the older
   * cached messages, those are dropped, too.
   *
   * Returns whether messages older than the page stay.
   */
  #dropOutdated(server: readonly ChatMessage[], hasOlder: boolean): boolean {
    const keys = new Set(server.map(keyOf));
    const first = this.messages.findIndex((message) => keys.has(keyOf(message)));
    const keepsOlder = first > 0 && hasOlder && !this.#isTruncated;
    this.messages = this.messages.filter(
      (message, index) => message.status !== 'sent' || keys.has(keyOf(message)) || (keepsOlder && index < first),
    );
    return keepsOlder;
  }

  /** Returns the exchanges with a waiting or failed replacement that the server does not have. */
  #unreplaced(server: readonly ChatMessage[]): Set<string | null> {
    const open = [...this.waiting, ...this.unsent.values()].filter(({ body }) => body.replaces);
    const isReplaced = ({ exchangeId, body, original = [] }: TurnRequest | Unsent): boolean => {
      const before = Math.max(0, ...original.map(revisionOf));
      const question = server.find((message) => message.exchangeId === exchangeId && message.role === 'user');
      return question !== undefined && revisionOf(question) > before && question.content === body.prompt;
    };
    return new Set(open.filter((request) => !isReplaced(request)).map(({ exchangeId }) => exchangeId));
  }

  /** Adds a message at the end. */
  add(message: ChatMessage): void {
    this.messages = [...this.messages, message];
  }

  /** Adds a message of another hook on this page, or applies its newer revision. */
  addOrApply(message: ChatMessage): void {
    const existing = this.find(keyOf(message));
    if (!existing) this.add(message);
    else if (existing.status === 'sent' && revisionOf(message) > revisionOf(existing))
      this.update(existing, applyServer(existing, message));
  }

  /** Shows this version of a message instead of the present one. */
  restore(message: ChatMessage): void {
    this.messages = this.messages.map((each) => (keyOf(each) === keyOf(message) ? message : each));
  }

  remove(message: ChatMessage): void {
    this.messages = this.messages.filter((each) => each !== message);
  }

  /** Returns the question and the answer of an exchange, as far as they are shown. */
  exchange(exchangeId: string): ChatMessage[] {
    return this.messages.filter((message) => message.exchangeId === exchangeId);
  }

  /** Inserts an answer after its question, and returns the shown message. */
  answer(message: ChatMessage): ChatMessage {
    const existing = this.find(keyOf(message));
    if (existing) {
      const { content, context, revision } = message;
      const report = context ? { context } : {};
      // The history returned the answer first.
      if (existing.status === 'sent') return this.update(existing, report);
      return this.update(existing, { content, status: 'sent', ...report, ...(revision && { revision }) });
    }
    const index = this.messages.findIndex((each) => each.role === 'user' && each.exchangeId === message.exchangeId);
    const position = index < 0 ? this.messages.length : index + 1;
    this.messages = [...this.messages.slice(0, position), message, ...this.messages.slice(position)];
    return message;
  }

  /** Updates a message in its place, and removes its error unless the change has one. */
  update(message: ChatMessage, change: Partial<ChatMessage>): ChatMessage {
    const { error: _, ...rest } = message;
    const updated = { ...rest, ...change };
    this.messages = this.messages.map((each) => (each === message ? updated : each));
    return updated;
  }

  find(key: string): ChatMessage | undefined {
    return this.messages.find((message) => keyOf(message) === key);
  }

  clearError(): void {
    this.error = undefined;
    this.sendFailed = false;
  }
}
