import type { RunRequest } from './api.js';
import type { CachedThread, Unsent } from './cache.js';
import { interrupted, type AgentChatError } from './errors.js';
import type { ChatMessage, ChatSnapshot, TurnContext } from './types.js';
import { keyOf, prepend, unite } from './unite.js';

/** A user's message on its way, and all it takes to send the very same request again. */
export interface Outgoing {
  exchangeId: string;
  body: RunRequest;
  readonly controller: AbortController;
  /** Settles with the answer, or without one; never rejects. */
  readonly done: Promise<ChatMessage | undefined>;
  readonly settle: (answer?: ChatMessage) => void;
}

/** What a page of the history says beside its messages. */
export interface TakenPage {
  /** Where the page before it begins; null if there is none. */
  readonly cursor: string | null;
  /** Layers that did not answer. */
  readonly degraded: readonly string[];
}

/** One thread as this page knows it: its messages, what is on its way, how much of its history is loaded. */
export class Thread {
  messages: ChatMessage[];
  /** By exchange id: what failed and may be sent again. */
  readonly unsent = new Map<string, Unsent>();
  queue: Outgoing[] = [];
  running: Outgoing | undefined;
  error: AgentChatError | undefined;
  sendFailed = false;
  lastContext: TurnContext | undefined;

  /** Where the next older page begins; null when there is none, or nothing was loaded yet. */
  cursor: string | null = null;
  /** Whether the newest page was read, or there is none yet. */
  isLoaded: boolean;
  historyFailed = false;
  historyDegraded: string[] = [];
  /** The reads under way: of the newest page, of one more of them asked for meanwhile, of an older page. */
  newest: Promise<void> | undefined;
  another: Promise<void> | undefined;
  older: Promise<void> | undefined;
  reading = new AbortController();

  /** Whether what is shown is from an earlier visit, and the server was not asked since. */
  #isCached = false;
  /** Whether messages before those shown were left out, and nothing says where they begin. */
  #isCut = false;
  /** The messages that the server told of. */
  readonly #told: Set<string>;
  #snapshot: ChatSnapshot | undefined;

  /** With `isNew`, the thread was made here, and the server knows nothing of it before its first message. */
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
    this.#told = new Set(initial.map(keyOf));
    if (cached) this.#restore(cached);
  }

  /** What is worth keeping of it for the next visit. */
  get cacheable(): CachedThread {
    const waiting = this.waiting.map(({ exchangeId, body }) => ({ exchangeId, body, isLost: true }));
    const cursor = this.#isCut ? undefined : this.cursor;
    return { messages: this.messages, unsent: [...this.unsent.values(), ...waiting], cursor };
  }

  #restore({ messages, unsent, cursor }: CachedThread): void {
    const isSent = (message: ChatMessage): boolean => message.status === 'sent';
    const given = new Set(this.messages.map(keyOf));
    // Messages that the page brings along are newer than those kept.
    const restored = messages.filter((message) => !given.has(keyOf(message)) && (given.size === 0 || !isSent(message)));
    for (const message of restored.filter(isSent)) this.#told.add(keyOf(message));
    const asFailed = (message: ChatMessage): ChatMessage => ({ ...message, status: 'failed', error: interrupted() });
    this.messages = [...this.messages, ...restored.map((message) => (isSent(message) ? message : asFailed(message)))];
    for (const request of unsent) this.unsent.set(request.exchangeId, request);
    this.#isCached = given.size === 0;
    this.#isCut = cursor === undefined;
    this.cursor = cursor ?? null;
  }

  /** What is shown; the same object until something changes. */
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

  /** What is on its way and what waits for it, in this order. */
  get waiting(): Outgoing[] {
    return this.running ? [this.running, ...this.queue] : [...this.queue];
  }

  /** Has the next snapshot made anew. */
  changed(): void {
    this.#snapshot = undefined;
  }

  #historyStatus(): ChatSnapshot['historyStatus'] {
    if (this.newest ?? this.older) return 'loading';
    if (this.historyFailed) return 'error';
    return this.isLoaded ? 'ready' : 'idle';
  }

  /** Tells whether these go back to what the server told before, so that there is no gap between the two. */
  reaches(told: readonly ChatMessage[]): boolean {
    // Of a thread that was made here, all is shown: what others added goes back to its beginning.
    if (this.#told.size === 0 || this.#isCached) return !this.isLoaded;
    return told.some((message) => this.#told.has(keyOf(message)));
  }

  /** Keeps what is shown for the next visit, when the server is asked again. */
  leave(): void {
    this.#isCached = true;
    this.isLoaded = this.historyFailed = false;
    this.historyDegraded = [];
    this.lastContext = undefined;
    this.clearError();
    this.changed();
  }

  /** Takes in a part of the thread as the server holds it, oldest first. */
  take(told: readonly ChatMessage[], side: 'newest' | 'older', page: TakenPage): void {
    const isCached = this.#isCached && side === 'newest';
    // What a layer did not tell is not disproved.
    const keepsOlder = isCached && page.degraded.length === 0 && this.#dropOutdated(told, page.cursor !== null);
    if (side === 'older' || !(this.isLoaded || keepsOlder)) this.cursor = page.cursor;
    if (isCached) this.#isCached = this.#isCut = false;
    this.isLoaded = true;
    this.historyFailed = false;
    this.historyDegraded = [...page.degraded];
    this.messages =
      side === 'older'
        ? prepend(this.messages, told)
        : unite(this.messages, told, (message) => !this.#told.has(keyOf(message)));
    for (const message of told) {
      this.#told.add(keyOf(message));
      // The server has it after all: there is nothing left to send again, or to complain of.
      const isOnItsWay = this.running?.exchangeId === message.exchangeId;
      if (message.exchangeId !== null && !isOnItsWay) this.unsent.delete(message.exchangeId);
    }
    const isFailed = this.messages.some((message) => message.error !== undefined && message.error === this.error);
    if (!isFailed) this.clearError();
  }

  /**
   * Drops what an earlier visit showed and the newest page disproves, or does not reach, so that there is no gap.
   *
   * Returns whether messages older than the page stay.
   */
  #dropOutdated(told: readonly ChatMessage[], hasOlder: boolean): boolean {
    const keys = new Set(told.map(keyOf));
    const first = this.messages.findIndex((message) => keys.has(keyOf(message)));
    const keepsOlder = first > 0 && hasOlder && !this.#isCut;
    this.messages = this.messages.filter(
      (message, index) => message.status !== 'sent' || keys.has(keyOf(message)) || (keepsOlder && index < first),
    );
    return keepsOlder;
  }

  /** Adds a message at the end. */
  add(message: ChatMessage): void {
    this.messages = [...this.messages, message];
  }

  /** Puts an answer behind its question, before what was asked since; returns it as it is shown. */
  answer(message: ChatMessage): ChatMessage {
    const there = this.find(keyOf(message));
    if (there) {
      // The history was faster.
      const { context } = message;
      return this.update(there, context ? { context } : {});
    }
    const index = this.messages.findIndex((each) => each.role === 'user' && each.exchangeId === message.exchangeId);
    const at = index < 0 ? this.messages.length : index + 1;
    this.messages = [...this.messages.slice(0, at), message, ...this.messages.slice(at)];
    return message;
  }

  /** Changes a message in its place; an error goes unless it is given. */
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
