import type { RunRequest } from './api.js';
import type { AgentChatError } from './errors.js';
import type { ChatMessage, ChatSnapshot, TurnContext } from './types.js';
import { keyOf, prepend, unite } from './unite.js';

/** A user's message on its way, and all it takes to send the very same request again. */
export interface Outgoing {
  readonly exchangeId: string;
  readonly body: RunRequest;
  readonly controller: AbortController;
  /** Settles with the answer, or without one; never rejects. */
  readonly done: Promise<ChatMessage | undefined>;
  readonly settle: (answer?: ChatMessage) => void;
}

/** One thread as this page knows it: its messages, what is on its way, how much of its history is loaded. */
export class Thread {
  messages: ChatMessage[];
  /** By exchange id: what is on its way or failed, and may be sent again. */
  readonly outgoing = new Map<string, Outgoing>();
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
  ) {
    this.isLoaded = isNew;
    this.messages = [...initial];
    this.#told = new Set(initial.map(keyOf));
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
    if (this.#told.size === 0) return !this.isLoaded;
    return told.some((message) => this.#told.has(keyOf(message)));
  }

  /** Forgets all but what was not sent: the rest is the server's to tell, should somebody come back. */
  forget(): void {
    this.messages = this.messages.filter(({ status }) => status === 'failed');
    this.#told.clear();
    this.cursor = null;
    this.isLoaded = this.historyFailed = false;
    this.historyDegraded = [];
    this.lastContext = undefined;
    this.clearError();
    this.changed();
  }

  /** Takes in a part of the thread as the server holds it, oldest first. */
  take(told: readonly ChatMessage[], side: 'newest' | 'older'): void {
    this.messages =
      side === 'older'
        ? prepend(this.messages, told)
        : unite(this.messages, told, (message) => !this.#told.has(keyOf(message)));
    for (const message of told) {
      this.#told.add(keyOf(message));
      // The server has it after all: there is nothing left to send again, or to complain of.
      const isOnItsWay = this.running?.exchangeId === message.exchangeId;
      if (message.exchangeId !== null && !isOnItsWay) this.outgoing.delete(message.exchangeId);
    }
    const isFailed = this.messages.some((message) => message.error !== undefined && message.error === this.error);
    if (!isFailed) this.clearError();
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
