import { cachedThread, cacheThread, dropOtherThreads, dropThread } from './cache.js';
import { Checks } from './checks.js';
import { check, loadMore, refresh, stopReading } from './history.js';
import type { ChatContext } from './chat-context.js';
import { baseUrlOf } from '#client/http.js';
import { newId } from '#client/ids.js';
import { onReturn } from './on-return.js';
import { restoreThreadId, storeThreadId, scopeOf, type Persist } from './storage.js';
import { onOtherTab, tellOtherTabs } from './tabs.js';
import { Thread } from './thread.js';
import { Turns } from './turns.js';
import type { ChatActions, ChatMessage, ChatSnapshot, UseAgentChatOptions } from './types.js';

/** How many threads stay in memory. */
const MAX_THREADS = 20;

/** The stores of this page. Stores that show the same thread share their turns. */
const mounted = new Set<ChatStore>();

interface Scope {
  readonly name: string;
  readonly userId: string | null;
}

/** The state of a chat, for `useSyncExternalStore`: the current thread and its turns. */
export class ChatStore implements ChatActions, ChatContext {
  options: UseAgentChatOptions;
  readonly #threads = new Map<string, Thread>();
  /** The thread id that this page created or restored, by scope. */
  readonly #ownIds = new Map<string, string>();
  /** The keys of threads that were created here and have no messages. */
  readonly #emptyKeys = new Set<string>();
  /** The last `newThread`, and the `threadId` option at that time. */
  #lastNewThread: { scope: string; from: string | null; id: string } | undefined;
  #active: Thread | undefined;
  /** The prefix of the user's thread keys. */
  #prefix: string | undefined;
  /** The messages that were cached last, by thread. */
  readonly #cached = new WeakMap<Thread, readonly ChatMessage[]>();
  /** Deleted threads. An answer that arrives after the deletion is not cached. */
  readonly #deletedThreads = new WeakSet<Thread>();
  #reportedId: string | undefined;
  #initial: readonly ChatMessage[];
  #unmountTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #turns = new Turns(this, (thread, exchange) => {
    for (const other of mounted) if (other !== this) other.#syncFromPeer(thread.key, exchange);
    tellOtherTabs(thread.key);
  });
  readonly #checks = new Checks(async () => {
    if (this.#active) await check(this, this.#active);
  });
  readonly #listeners = new Set<() => void>();
  /** The snapshot for server rendering and for the first render of a hydration. */
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

  /** Returns the thread that the options select. Safe to call while rendering: it emits no change. */
  threadFor(options: UseAgentChatOptions): Thread {
    const scope = scopeFor(options);
    const requested = options.threadId ?? null;
    const newThreadId =
      this.#lastNewThread?.scope === scope.name && this.#lastNewThread.from === requested
        ? this.#lastNewThread.id
        : undefined;
    return this.#thread(scope, newThreadId ?? requested ?? this.#ownId(scope, options), options);
  }

  #ownId(scope: Scope, options: UseAgentChatOptions): string {
    let id = this.#ownIds.get(scope.name) ?? restoreThreadId(options.persist ?? 'session', scope.name);
    if (id === undefined) {
      id = generateId(options);
      this.#emptyKeys.add(keyFor(scope, id));
    }
    this.#ownIds.set(scope.name, id);
    return id;
  }

  #thread(scope: Scope, id: string, options: UseAgentChatOptions): Thread {
    const key = keyFor(scope, id);
    let thread = this.#threads.get(key);
    if (!thread) {
      const isNew = this.#emptyKeys.has(key);
      const cached = isNew || options.loadHistory === false ? undefined : cachedThread(persistFor(options), key);
      thread = new Thread(key, id, scope.userId, isNew, this.#initial, cached);
      // The initial messages belong to the first thread.
      this.#initial = [];
      this.#threads.set(key, thread);
    }
    return thread;
  }

  /** Starts listening to events of the page. The returned function stops listening. */
  readonly mount = (): (() => void) => {
    clearTimeout(this.#unmountTimer);
    mounted.add(this);
    const stopListening = onReturn(() => {
      if (this.#active) void this.#recover(this.#active, true);
    });
    const stopTabs = onOtherTab((key) => {
      // A hidden tab reads the change when it becomes visible.
      const isShown = this.#active?.key === key && document.visibilityState !== 'hidden';
      if (isShown && this.#active && this.options.loadHistory !== false) void check(this, this.#active);
    });
    return () => {
      stopListening();
      stopTabs();
      // Wait for the next task: StrictMode and fast refresh mount the component again immediately, and turns continue.
      this.#unmountTimer = setTimeout(() => {
        mounted.delete(this);
        if (this.#active) this.#leave(this.#active);
        this.#active = undefined;
        this.#checks.watch([]);
      });
    };
  };

  /** Applies the options of the newest render, and switches the thread if they select another one. */
  configure(options: UseAgentChatOptions): void {
    this.options = options;
    const scope = scopeFor(options).name;
    if (
      this.#lastNewThread &&
      (this.#lastNewThread.scope !== scope || this.#lastNewThread.from !== (options.threadId ?? null))
    ) {
      this.#lastNewThread = undefined;
    }
    const prefix = prefixOf(scope);
    if (this.#prefix !== prefix) {
      this.#prefix = prefix;
      // After a change of user, delete the cached messages of other users.
      dropOtherThreads([prefix, ...Array.from(mounted, (other) => other.#prefix ?? prefix)]);
    }
    this.#activate(this.threadFor(options));
  }

  #activate(selected: Thread): void {
    if (selected === this.#active) return;
    const thread = this.#hasOwnId() ? this.#resolveOwnThread(selected) : selected;
    if (this.#active) this.#leave(this.#active);
    this.#active = thread;
    this.#prune(thread);
    if (!this.#hasOwnId() && !this.#lastNewThread) this.#reportedId = undefined;
    else if (this.#reportedId !== thread.id) {
      this.#reportedId = thread.id;
      this.notify(thread, (options) => options.onThreadId?.(thread.id));
    }
    void this.#recover(thread, false);
    this.emit(thread);
  }

  /** Loads new messages of the shown thread, and resends its interrupted turns. */
  async #recover(thread: Thread, isReturn: boolean): Promise<void> {
    const needsRefresh = !thread.isLoaded || (isReturn && thread.messages.length > 0);
    if (needsRefresh && this.options.loadHistory !== false) {
      await refresh(this, thread);
      if (thread.historyFailed || this.#active !== thread) return;
    }
    if (isReturn) this.#turns.finishIfAnswered(thread);
    this.#turns.resume(thread);
  }

  /** Stores the id of this thread, or returns the thread that another hook has stored meanwhile. */
  #resolveOwnThread(thread: Thread): Thread {
    const scope = scopeFor(this.options).name;
    const persist = this.options.persist ?? 'session';
    const storedId = restoreThreadId(persist, scope);
    const isEmptyNew = this.#emptyKeys.has(thread.key) && thread.messages.length === 0 && !this.#lastNewThread;
    if (storedId === undefined || storedId === thread.id || !isEmptyNew) {
      storeThreadId(persist, scope, thread.id);
      return thread;
    }
    this.#ownIds.set(scope, storedId);
    return this.threadFor(this.options);
  }

  /** Stops the turns and reads of a thread that is no longer shown. */
  #leave(thread: Thread): void {
    this.#turns.stop(thread, true);
    stopReading(thread);
    if (thread.messages.length > 0) this.#emptyKeys.delete(thread.key);
    thread.leave();
    this.#cache(thread);
  }

  /** Caches the messages for the next visit. */
  #cache(thread: Thread): void {
    const isOfUser = thread.key === keyFor(scopeFor(this.options), thread.id);
    if (!isOfUser || this.#deletedThreads.has(thread) || (this.#cached.get(thread) ?? []) === thread.messages) return;
    this.#cached.set(thread, thread.messages);
    cacheThread(persistFor(this.options), thread.key, thread.cacheable);
  }

  #prune(thread: Thread): void {
    const scope = scopeFor(this.options);
    this.#threads.delete(thread.key);
    this.#threads.set(thread.key, thread);
    for (const [key, other] of this.#threads) {
      // After a change of user, drop the threads of other users.
      const isOfOtherUser = key !== keyFor(scope, other.id);
      const isNeeded = other === thread || (other.messages.length > 0 && !isOfOtherUser);
      if (!isNeeded || this.#threads.size > MAX_THREADS) this.#threads.delete(key);
    }
  }

  readonly sendMessage: ChatActions['sendMessage'] = async (input, { signal } = {}) => {
    const message = typeof input === 'string' ? { text: input } : input;
    return message.text.trim() === '' ? undefined : this.#turns.send(this.#current(), message, signal);
  };

  readonly retry: ChatActions['retry'] = (messageId) => this.#turns.retry(this.#current(), messageId);

  readonly edit: ChatActions['edit'] = async (messageId, input) => {
    const message = typeof input === 'string' ? { text: input } : input;
    return message.text.trim() === '' ? undefined : this.#turns.replace(this.#current(), messageId, message);
  };

  readonly regenerate: ChatActions['regenerate'] = (messageId) => this.#turns.replace(this.#current(), messageId);

  readonly discard: ChatActions['discard'] = (messageId) => this.#turns.discard(this.#current(), messageId);

  readonly stop = (): void => {
    this.#turns.stop(this.#current());
  };

  readonly loadMore = (): Promise<void> => loadMore(this, this.#current());

  readonly refresh = (): Promise<void> => refresh(this, this.#current());

  readonly clearError = (): void => {
    const thread = this.#current();
    thread.clearError();
    this.emit(thread);
  };

  readonly newThread = (): string => {
    const scope = scopeFor(this.options);
    const id = generateId(this.options);
    const from = this.options.threadId ?? null;
    this.#lastNewThread = { scope: scope.name, from, id };
    this.#emptyKeys.add(keyFor(scope, id));
    if (from === null) this.#ownIds.set(scope.name, id);
    this.#activate(this.threadFor(this.options));
    return id;
  };

  readonly forgetThread = (threadId: string): void => {
    const key = keyFor(scopeFor(this.options), threadId);
    for (const store of new Set([this, ...mounted])) store.#forget(key);
    dropThread(key);
  };

  #forget(key: string): void {
    const thread = this.#threads.get(key);
    if (!thread) return;
    this.#deletedThreads.add(thread);
    if (this.#active === thread) this.newThread();
    this.#threads.delete(key);
  }

  /** Adds an exchange that another hook on this page received in the same thread. */
  #syncFromPeer(key: string, exchange: readonly ChatMessage[]): void {
    const thread = this.#active;
    if (thread?.key !== key) return;
    for (const message of exchange) thread.addOrApply(message);
    this.emit(thread);
  }

  notify(thread: Thread, callback: (options: UseAgentChatOptions) => void): void {
    // Called in a microtask, so that an exception in a callback does not break the store.
    queueMicrotask(() => {
      if (this.#active === thread) callback(this.options);
    });
  }

  emit(thread: Thread): void {
    thread.changed();
    this.#cache(thread);
    const isWatched = thread === this.#active && this.options.loadHistory !== false;
    if (isWatched) this.#checks.watch(thread.uncertain);
    for (const listener of this.#listeners) listener();
  }

  #current(): Thread {
    return this.threadFor(this.options);
  }

  #hasOwnId(): boolean {
    return (this.options.threadId ?? null) === null;
  }
}

function scopeFor(options: UseAgentChatOptions): Scope {
  const userId = options.userId ?? null;
  return { name: scopeOf(baseUrlOf(options), userId), userId };
}

function keyFor(scope: Scope, id: string): string {
  return JSON.stringify([scope.name, id]);
}

/** Returns the common prefix of all thread keys of a scope. */
function prefixOf(scope: string): string {
  return JSON.stringify([scope]).replace(/\]$/, ',');
}

/** Returns where to cache messages. Without a user id, never `localStorage`, because several users may share a browser. */
function persistFor({ persist = 'session', userId }: UseAgentChatOptions): Persist {
  return persist === 'local' && userId === undefined ? 'session' : persist;
}

function generateId(options: UseAgentChatOptions): string {
  return (options.generateId ?? newId)();
}
