import type { AgentChatError } from './errors.js';

export interface StoreSnapshot<T> {
  /** `idle` without a user, `loading` before the first answer, `error` if the newest request to read failed. */
  readonly status: 'idle' | 'loading' | 'ready' | 'error';
  /** The newest answer, with the changes that are not stored yet. */
  readonly value: T;
  /** Whether a change is not stored yet. */
  readonly isPending: boolean;
  /** Why the newest request to read, or the newest change, failed. */
  readonly error: AgentChatError | undefined;
}

type Change<T> = (value: T) => T;

/** A value of the server: the newest answer, and the changes that are not stored yet. */
export class OptimisticStore<T> {
  snapshot: StoreSnapshot<T>;
  #read: ((signal: AbortSignal, value: T) => Promise<T>) | null;
  #value: T;
  #status: StoreSnapshot<T>['status'];
  #error: AgentChatError | undefined;
  #changes: Change<T>[] = [];
  /** Counts finished changes. An answer that was requested before the newest one may lack it. */
  #finished = 0;
  #loading: AbortController | undefined;
  readonly #listeners = new Set<() => void>();

  /** Without `read`, the store is idle. */
  constructor(empty: T, read: ((signal: AbortSignal, value: T) => Promise<T>) | null) {
    this.#value = empty;
    this.#read = read;
    this.#status = read ? 'loading' : 'idle';
    this.snapshot = this.#makeSnapshot();
  }

  /** Sets how to read from now on. */
  configure(read: ((signal: AbortSignal, value: T) => Promise<T>) | null): void {
    this.#read = read;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Starts to load, and returns a function that stops loading. Changes are completed. */
  mount(): () => void {
    void this.refresh();
    return () => this.#loading?.abort();
  }

  /** Reads the value again, by default as configured. Never rejects. */
  readonly refresh = async (read = this.#read): Promise<void> => {
    if (!read) return;
    this.#loading?.abort();
    const { signal } = (this.#loading = new AbortController());
    const finished = this.#finished;
    try {
      const value = await read(signal, this.#value);
      if (signal.aborted) return;
      if (finished !== this.#finished) {
        await this.refresh();
        return;
      }
      this.#value = value;
      // An earlier error of a change stays until the next change.
      if (this.#status === 'error') this.#error = undefined;
      this.#status = 'ready';
    } catch (error) {
      if (signal.aborted) return;
      this.#status = 'error';
      this.#error = error as AgentChatError;
    }
    this.#publish();
  };

  readonly clearError = (): void => {
    this.#error = undefined;
    this.#publish();
  };

  /** Shows a change, sends it, and then shows the stored state; after a failure, the state before. Returns whether it is stored. */
  async change<R>(change: Change<T>, request: () => Promise<R>, store: (value: T, result: R) => T): Promise<boolean> {
    this.#changes.push(change);
    this.#error = undefined;
    this.#publish();
    let isStored = false;
    try {
      this.#value = store(this.#value, await request());
      isStored = true;
    } catch (error) {
      this.#error = error as AgentChatError;
    }
    this.#finished++;
    this.#changes = this.#changes.filter((each) => each !== change);
    this.#publish();
    // After a failure, the server may still have stored the change.
    if (this.#listeners.size > 0) void this.refresh();
    return isStored;
  }

  #publish(): void {
    this.snapshot = this.#makeSnapshot();
    for (const listener of this.#listeners) listener();
  }

  #makeSnapshot(): StoreSnapshot<T> {
    const value = this.#changes.reduce((shown, change) => change(shown), this.#value);
    return { status: this.#status, value, isPending: this.#changes.length > 0, error: this.#error };
  }
}
