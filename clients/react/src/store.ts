import { baseUrlOf } from './api.js';
import { loadMore, refresh, stopReading } from './history.js';
import type { Host } from './host.js';
import { newId } from './ids.js';
import { recallThread, rememberThread, scopeOf } from './storage.js';
import { Thread } from './thread.js';
import { Turns } from './turns.js';
import type { ChatActions, ChatMessage, ChatSnapshot, UseAgentChatOptions } from './types.js';
import { keyOf } from './unite.js';

/** Threads that were left are kept with what could not be sent there, this many. */
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
  readonly #own = new Map<string, { id: string; isNew: boolean }>();
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
      messages: this.#initial,
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
    if (moved !== undefined) return this.#thread(scope, moved, true);
    if (asked !== null) return this.#thread(scope, asked, false);
    let own = this.#own.get(scope.name);
    if (!own) {
      const known = recallThread(options.persist ?? 'session', scope.name);
      own = known === undefined ? { id: madeId(options), isNew: true } : { id: known, isNew: false };
      this.#own.set(scope.name, own);
    }
    return this.#thread(scope, own.id, own.isNew);
  }

  #thread(scope: Scope, id: string, isNew: boolean): Thread {
    const key = JSON.stringify([scope.name, id]);
    let thread = this.#threads.get(key);
    if (!thread) {
      thread = new Thread(key, id, scope.userId, isNew, this.#initial);
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
    const scope = scopeNamed(this.options).name;
    let thread = asked;
    if (this.#isOwn()) {
      const persist = this.options.persist ?? 'session';
      const known = recallThread(persist, scope);
      // Another hook on this page was faster to make one; nothing was said here yet, so the two agree.
      if (known !== undefined && known !== thread.id && thread.isNew && thread.messages.length === 0 && !this.#moved) {
        this.#own.set(scope, { id: known, isNew: false });
        this.#threads.delete(thread.key);
        thread = this.threadFor(this.options);
      } else {
        rememberThread(persist, scope, thread.id);
      }
    }
    if (this.#active) this.#leave(this.#active);
    this.#active = thread;
    this.#prune(thread);
    if ((this.#isOwn() || this.#moved) && this.#toldId !== thread.id) {
      this.#toldId = thread.id;
      this.tell(thread, (options) => options.onThreadId?.(thread.id));
    }
    const isEmpty = thread.isNew && thread.messages.length === 0;
    if (!isEmpty && this.options.loadHistory !== false) void refresh(this, thread);
    this.emit(thread);
  }

  /** Drops what the thread waits for: nobody looks at it. What was not sent stays in it, should somebody come back. */
  #leave(thread: Thread): void {
    this.#turns.stop(thread, true);
    stopReading(thread);
    thread.clearError();
    thread.changed();
  }

  #prune(thread: Thread): void {
    const scope = thread.key.slice(0, -JSON.stringify(thread.id).length - 1);
    this.#threads.delete(thread.key);
    this.#threads.set(thread.key, thread);
    for (const [key, other] of this.#threads) {
      // Another user's messages do not outlive the change of users.
      const isStrange = !key.startsWith(scope);
      if (other !== thread && (isStrange || this.#threads.size > MOST_THREADS)) this.#threads.delete(key);
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
    if (from === null) this.#own.set(scope.name, { id, isNew: true });
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

function madeId(options: UseAgentChatOptions): string {
  return (options.generateId ?? newId)();
}
