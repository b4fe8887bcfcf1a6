import type { AgentChatError } from './errors.js';
import type { Connection } from '#client/http.js';
import {
  addMemory,
  correctMemory,
  deleteMemory,
  getMemories,
  type Memory,
  type MemoryList,
  type NewMemory,
} from './memories.js';

export interface ShownMemory extends Memory {
  /** True until the server has stored a change of this memory. */
  readonly isPending: boolean;
}

export interface MemoriesSnapshot {
  /** `idle` without a user, `loading` before the first list, `error` if the newest request for the list failed. */
  readonly status: 'idle' | 'loading' | 'ready' | 'error';
  /** The newest first, with the changes that are not stored yet. */
  readonly memories: ShownMemory[];
  /** The number of the oldest memories that are missing, because the server cannot continue the list. */
  readonly omitted: number;
  /** Layers that did not respond. Without PostgreSQL, summaries are missing. */
  readonly degraded: string[];
  /** Why the newest request for the list, or the newest change, failed. */
  readonly error: AgentChatError | undefined;
}

export interface MemoriesActions {
  /** Sets a memory explicitly. Returns undefined if this failed; `error` says why. */
  add(memory: NewMemory): Promise<Memory | undefined>;
  /** Replaces a memory's text. Returns undefined if this failed, and the old text is shown again. */
  correct(memoryId: string, text: string): Promise<Memory | undefined>;
  /** Deletes a memory. Returns false if this failed, and the memory is shown again. */
  forget(memoryId: string): Promise<boolean>;
  /** Loads the list again. */
  refresh(): Promise<void>;
  clearError(): void;
}

interface Source {
  readonly connection: Connection;
  readonly userId: string | null;
  readonly includeSuperseded: boolean;
}

/** A change that is shown before the server has stored it. */
type Change = (items: readonly ShownMemory[]) => ShownMemory[];

const EMPTY: MemoryList = { items: [], omitted: 0, degraded: [] };

/** The memories of one user of one server: the newest list, and the changes that are not stored yet. */
export class MemoriesStore implements MemoriesActions {
  snapshot: MemoriesSnapshot;
  #source: Source;
  #list = EMPTY;
  #status: MemoriesSnapshot['status'];
  #error: AgentChatError | undefined;
  #changes: Change[] = [];
  #added = 0;
  /** Counts stored changes. A list that was requested before the newest one may lack it. */
  #stored = 0;
  #loading: AbortController | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(source: Source) {
    this.#source = source;
    this.#status = source.userId === null ? 'idle' : 'loading';
    this.snapshot = this.#makeSnapshot();
  }

  configure(source: Source): void {
    this.#source = source;
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

  readonly refresh = async (): Promise<void> => {
    const { connection, userId, includeSuperseded } = this.#source;
    if (userId === null) return;
    this.#loading?.abort();
    const { signal } = (this.#loading = new AbortController());
    const stored = this.#stored;
    try {
      const list = await getMemories(connection, userId, includeSuperseded, signal);
      if (signal.aborted) return;
      if (stored !== this.#stored) {
        await this.refresh();
        return;
      }
      this.#list = list;
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

  readonly add = (memory: NewMemory): Promise<Memory | undefined> => {
    const shown = newMemory(memory, `new-${String(++this.#added)}`);
    return this.#change(
      (items) => [shown, ...items],
      (connection, userId, signal) => addMemory(connection, userId, memory, signal),
      (items, added) => [added, ...items.filter(({ id }) => id !== added.id)],
    );
  };

  readonly correct = (memoryId: string, text: string): Promise<Memory | undefined> =>
    this.#change(
      (items) => items.map((each) => (each.id === memoryId ? { ...each, text, isPending: true } : each)),
      (connection, userId, signal) => correctMemory(connection, userId, memoryId, text, signal),
      (items, corrected) => items.map((each) => (each.id === memoryId ? corrected : each)),
    );

  readonly forget = async (memoryId: string): Promise<boolean> => {
    const without = <T extends Memory>(items: readonly T[]): T[] => items.filter(({ id }) => id !== memoryId);
    const request = async (connection: Connection, userId: string, signal: AbortSignal): Promise<true> => {
      await deleteMemory(connection, userId, memoryId, signal);
      return true;
    };
    return (await this.#change(without, request, without)) ?? false;
  };

  readonly clearError = (): void => {
    this.#error = undefined;
    this.#publish();
  };

  /** Shows a change, sends it, and then shows the stored state; after a failure, the state before. */
  async #change<T>(
    change: Change,
    request: (connection: Connection, userId: string, signal: AbortSignal) => Promise<T>,
    store: (items: readonly Memory[], result: T) => Memory[],
  ): Promise<T | undefined> {
    const { connection, userId } = this.#source;
    if (userId === null) return undefined;
    this.#changes.push(change);
    this.#error = undefined;
    this.#publish();
    let result: T | undefined;
    try {
      result = await request(connection, userId, new AbortController().signal);
      this.#list = { ...this.#list, items: store(this.#list.items, result) };
    } catch (error) {
      this.#error = error as AgentChatError;
    }
    // After a failure, the server may still have stored the change. The list shows it.
    this.#stored++;
    this.#changes = this.#changes.filter((each) => each !== change);
    this.#publish();
    // A change can end other memories.
    if (this.#listeners.size > 0) void this.refresh();
    return result;
  }

  #publish(): void {
    this.snapshot = this.#makeSnapshot();
    for (const listener of this.#listeners) listener();
  }

  #makeSnapshot(): MemoriesSnapshot {
    const stored: ShownMemory[] = this.#list.items.map((each) => ({ ...each, isPending: false }));
    return {
      status: this.#status,
      memories: this.#changes.reduce<ShownMemory[]>((items, change) => change(items), stored),
      omitted: this.#list.omitted,
      degraded: this.#list.degraded,
      error: this.#error,
    };
  }
}

function newMemory(memory: NewMemory, id: string): ShownMemory {
  const now = new Date().toISOString();
  return {
    id,
    kind: memory.kind ?? 'fact',
    key: memory.kind === 'preference' ? memory.key : null,
    text: memory.text,
    validFrom: now,
    validTo: null,
    supersededBy: null,
    evidence: [],
    source: 'explicit',
    createdAt: now,
    isPending: true,
  };
}
