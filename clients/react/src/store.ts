import { cachedThread, cacheThread, dropOtherThreads, dropThread } from './cache.js';
import { loadMore, refresh, stopReading } from './history.js';
import type { Host } from './host.js';
import { baseUrlOf } from './http.js';
import { newId } from './ids.js';
import { onReturn } from './returns.js';
import { recallThread, rememberThread, scopeOf, type Persist } from './storage.js';
import { Thread } from './thread.js';
import { Turns } from './turns.js';
import type { ChatActions, ChatMessage, ChatSnapshot, UseAgentChatOptions } from './types.js';
import { keyOf } from './unite.js';

/** What was shown is kept in memory for this many threads. */
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
  /** The beginning of the keys of the user's threads. */
  #prefix: string | undefined;
  /** The messages of each thread as they were kept last. */
  readonly #cached = new WeakMap<Thread, readonly ChatMessage[]>();
  /** What is still on its way to one of these is kept no more. */
  readonly #forgotten = new WeakSet<Thread>();
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
    return this.#thread(scope, moved ?? asked ?? this.#ownId(scope, options), options);
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

  #thread(scope: Scope, id: string, options: UseAgentChatOptions): Thread {
    const key = keyFor(scope, id);
    let thread = this.#threads.get(key);
    if (!thread) {
      const isNew = this.#unused.has(key);
      const cached = isNew || options.loadHistory === false ? undefined : cachedThread(cacheFor(options), key);
      thread = new Thread(key, id, scope.userId, isNew, this.#initial, cached);
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
    const ignoreReturns = onReturn(() => {
      if (this.#active) void this.#recover(this.#active, true);
    });
    return () => {
      ignoreReturns();
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
    const prefix = prefixOf(scope);
    if (this.#prefix !== prefix) {
      this.#prefix = prefix;
      // Another user's messages do not outlive the change of users.
      dropOtherThreads([prefix, ...Array.from(mounted, (other) => other.#prefix ?? prefix)]);
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
    void this.#recover(thread, false);
    this.emit(thread);
  }

  /** Brings a thread that is shown (again) up to date: with what was said meanwhile, and with what was interrupted. */
  async #recover(thread: Thread, isReturn: boolean): Promise<void> {
    const reads = !thread.isLoaded || (isReturn && thread.messages.length > 0);
    if (reads && this.options.loadHistory !== false) {
      await refresh(this, thread);
      if (thread.historyFailed || this.#active !== thread) return;
    }
    if (isReturn) this.#turns.settle(thread);
    this.#turns.resume(thread);
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
    thread.leave();
    this.#cache(thread);
  }

  /** Keeps what is shown for the next visit. */
  #cache(thread: Thread): void {
    const isOfUser = thread.key === keyFor(scopeNamed(this.options), thread.id);
    if (!isOfUser || this.#forgotten.has(thread) || (this.#cached.get(thread) ?? []) === thread.messages) return;
    this.#cached.set(thread, thread.messages);
    cacheThread(cacheFor(this.options), thread.key, thread.cacheable);
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

  readonly forgetThread = (threadId: string): void => {
    const key = keyFor(scopeNamed(this.options), threadId);
    for (const store of new Set([this, ...mounted])) store.#forget(key);
    dropThread(key);
  };

  #forget(key: string): void {
    const thread = this.#threads.get(key);
    if (!thread) return;
    this.#forgotten.add(thread);
    if (this.#active === thread) this.newThread();
    this.#threads.delete(key);
  }

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
    this.#cache(thread);
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

/** Returns how the keys of all threads of a scope begin. */
function prefixOf(scope: string): string {
  return JSON.stringify([scope]).replace(/\]$/, ',');
}

/** Returns where messages are kept: in a browser that people share, only under their user's name. */
function cacheFor({ persist = 'session', userId }: UseAgentChatOptions): Persist {
  return persist === 'local' && userId === undefined ? 'session' : persist;
}

function madeId(options: UseAgentChatOptions): string {
  return (options.generateId ?? newId)();
}
