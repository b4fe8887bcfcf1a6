import { baseUrlOf } from './api.js';
import { loadMore, refresh, stopReading } from './history.js';
import type { Host } from './host.js';
import { newId } from './ids.js';
import { recallThread, rememberThread, scopeOf } from './storage.js';
import { Thread } from './thread.js';
import { Turns } from './turns.js';
import type { ChatActions, ChatMessage, ChatSnapshot, UseAgentChatOptions } from './types.js';
import { keyOf } from './unite.js';

/** What could not be sent is kept for this many threads that were left. */
const MOST_THREADS = 20;

/** The stores on this page, so that two that show the same thread see each other's turns. */
const mounted = new Set<ChatStore>();

interface Scope {
  readonly name: string;
  readonly userId: string | null;
}

/** A chat: which thread is shown, and what happens to it. Read through `useSyncExternalStore`. */
export class ChatStore implements ChatActions, Host {
  options: UseAgentChatOptions;
  readonly #threads = new Map<string, Thread>();
  /** The thread made or remembered here, by scope. */
  readonly #own = new Map<string, string>();
  /** The keys of threads made here in which nothing was said before they were left. */
  readonly #unused = new Set<string>();
  /** Where `newThread` went, from what was asked for then. */
  #moved: { scope: string; from: string | null; id: string } | undefined;
  #active: Thread | undefined;
  #toldId: string | undefined;
  #initial: readonly ChatMessage[];
  #leaving: ReturnType<typeof setTimeout> | undefined;
  readonly #turns = new Turns(this, (thread, exchange) => {
    for (const other of mounted) if (other !== this) other.#overhear(thread.key, exchange);
  });
  readonly #listeners = new Set<() => void>();
  /** What a server renders, and the first render of a hydration. */
  readonly serverSnapshot: ChatSnapshot;

  constructor(options: UseAgentChatOptions) {
    this.options = options;
    this.#initial = options.initialMessages ?? [];
    this.serverSnapshot = {
      threadId: options.threadId ?? null,
      userId: options.userId ?? null,
      messages: [...this.#initial],
      status: 'ready',
      historyStatus: 'idle',
      historyDegraded: [],
      error: undefined,
      hasMore: false,
      lastContext: undefined,
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Returns the thread that the options ask for. Changes nothing that is shown, so that a render may ask. */
  threadFor(options: UseAgentChatOptions): Thread {
    const scope = scopeNamed(options);
    const asked = options.threadId ?? null;
    const moved = this.#moved?.scope === scope.name && this.#moved.from === asked ? this.#moved.id : undefined;
    return this.#thread(scope, moved ?? asked ?? this.#ownId(scope, options));
  }

  #ownId(scope: Scope, options: UseAgentChatOptions): string {
    let id = this.#own.get(scope.name) ?? recallThread(options.persist ?? 'session', scope.name);
    if (id === undefined) {
      id = madeId(options);
      this.#unused.add(keyFor(scope, id));
    }
    this.#own.set(scope.name, id);
    return id;
  }

  #thread(scope: Scope, id: string): Thread {
    const key = keyFor(scope, id);
    let thread = this.#threads.get(key);
    if (!thread) {
      thread = new Thread(key, id, scope.userId, this.#unused.has(key), this.#initial);
      // They are the first thread's.
      this.#initial = [];
      this.#threads.set(key, thread);
    }
    return thread;
  }

  /** Takes part in the page until the returned function is called. */
  readonly mount = (): (() => void) => {
    clearTimeout(this.#leaving);
    mounted.add(this);
    return () => {
      // Later, because a StrictMode or a fast refresh mounts again at once, and what is on its way shall go on.
      this.#leaving = setTimeout(() => {
        mounted.delete(this);
        if (this.#active) this.#leave(this.#active);
        this.#active = undefined;
      });
    };
  };

  /** Follows the options of the newest render: shows the thread they ask for, and leaves the one shown before. */
  configure(options: UseAgentChatOptions): void {
    this.options = options;
    const scope = scopeNamed(options).name;
    if (this.#moved && (this.#moved.scope !== scope || this.#moved.from !== (options.threadId ?? null))) {
      this.#moved = undefined;
    }
    this.#activate(this.threadFor(options));
  }

  #activate(asked: Thread): void {
    if (asked === this.#active) return;
    const thread = this.#isOwn() ? this.#settled(asked) : asked;
    if (this.#active) this.#leave(this.#active);
    this.#active = thread;
    this.#prune(thread);
    if (!this.#isOwn() && !this.#moved) this.#toldId = undefined;
    else if (this.#toldId !== thread.id) {
      this.#toldId = thread.id;
      this.tell(thread, (options) => options.onThreadId?.(thread.id));
    }
    if (!thread.isLoaded && this.options.loadHistory !== false) void refresh(this, thread);
    this.emit(thread);
  }

  /** Returns the thread that is shown in the end: this one, remembered, or the one that another hook made meanwhile. */
  #settled(thread: Thread): Thread {
    const scope = scopeNamed(this.options).name;
    const persist = this.options.persist ?? 'session';
    const known = recallThread(persist, scope);
    const isUntouched = this.#unused.has(thread.key) && thread.messages.length === 0 && !this.#moved;
    if (known === undefined || known === thread.id || !isUntouched) {
      rememberThread(persist, scope, thread.id);
      return thread;
    }
    this.#own.set(scope, known);
    return this.threadFor(this.options);
  }

  /** Drops what the thread waits for: nobody looks at it. */
  #leave(thread: Thread): void {
    this.#turns.stop(thread, true);
    stopReading(thread);
    if (thread.messages.length > 0) this.#unused.delete(thread.key);
    thread.forget();
  }

  #prune(thread: Thread): void {
    const scope = scopeNamed(this.options);
    this.#threads.delete(thread.key);
    this.#threads.set(thread.key, thread);
    for (const [key, other] of this.#threads) {
      // Another user's messages do not outlive the change of users.
      const isStrange = key !== keyFor(scope, other.id);
      const isNeeded = other === thread || (other.messages.length > 0 && !isStrange);
      if (!isNeeded || this.#threads.size > MOST_THREADS) this.#threads.delete(key);
    }
  }

  readonly sendMessage: ChatActions['sendMessage'] = async (input, { signal } = {}) => {
    const said = typeof input === 'string' ? { text: input } : input;
    return said.text.trim() === '' ? undefined : this.#turns.send(this.#shown(), said, signal);
  };

  readonly retry: ChatActions['retry'] = (messageId) => this.#turns.retry(this.#shown(), messageId);

  readonly stop = (): void => {
    this.#turns.stop(this.#shown());
  };

  readonly loadMore = (): Promise<void> => loadMore(this, this.#shown());

  readonly refresh = (): Promise<void> => refresh(this, this.#shown());

  readonly clearError = (): void => {
    const thread = this.#shown();
    thread.clearError();
    this.emit(thread);
  };

  readonly newThread = (): string => {
    const scope = scopeNamed(this.options);
    const id = madeId(this.options);
    const from = this.options.threadId ?? null;
    this.#moved = { scope: scope.name, from, id };
    this.#unused.add(keyFor(scope, id));
    if (from === null) this.#own.set(scope.name, id);
    this.#activate(this.threadFor(this.options));
    return id;
  };

  /** Shows what another hook on this page was answered in the same thread. */
  #overhear(key: string, [question, answer]: readonly [ChatMessage, ChatMessage]): void {
    const thread = this.#active;
    if (thread?.key !== key || thread.find(keyOf(question))) return;
    thread.add(question);
    thread.add(answer);
    this.emit(thread);
  }

  tell(thread: Thread, what: (options: UseAgentChatOptions) => void): void {
    // Later: what a callback throws is its owner's to see, and stops nothing here.
    queueMicrotask(() => {
      if (this.#active === thread) what(this.options);
    });
  }

  emit(thread: Thread): void {
    thread.changed();
    for (const listener of this.#listeners) listener();
  }

  #shown(): Thread {
    return this.threadFor(this.options);
  }

  #isOwn(): boolean {
    return (this.options.threadId ?? null) === null;
  }
}

function scopeNamed(options: UseAgentChatOptions): Scope {
  const userId = options.userId ?? null;
  return { name: scopeOf(baseUrlOf(options), userId), userId };
}

function keyFor(scope: Scope, id: string): string {
  return JSON.stringify([scope.name, id]);
}

function madeId(options: UseAgentChatOptions): string {
  return (options.generateId ?? newId)();
}
