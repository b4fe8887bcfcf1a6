import type { Api } from '../api/client.ts';

export type BreakName = 'freeze-redis' | 'kill-redis' | 'freeze-postgres' | 'stop-queue' | 'poison' | 'chaos';

export interface BreakState {
  readonly name: BreakName;
  /** The time until the break ends by itself; null if it is not running. */
  readonly ends_in_seconds: number | null;
  /** How the break ended; null before its first end. */
  readonly result: string | null;
}

export interface ChaosState {
  readonly phase: 'running' | 'settling' | 'finished';
  readonly seconds_left: number;
  readonly fault: string | null;
  readonly sent: number;
  readonly retries: number;
  readonly accepted: number;
  readonly stored: number;
  /** Null while exchanges are still queued, because they may be stored soon. */
  readonly lost: number | null;
  readonly doubled: number;
}

export interface Check {
  readonly state: 'ok' | 'waiting' | 'fault' | 'unknown' | 'none';
  readonly detail: string;
}

export type GuaranteeName = 'nothing_lost' | 'layers_identical' | 'own_writes' | 'no_duplicates';

export interface LocalState {
  readonly breaks: readonly BreakState[];
  readonly chaos: ChaosState | null;
}

export type Guarantees = Readonly<Record<GuaranteeName, Check>>;

const TOKEN_HEADER = 'X-Local-Token';

/** The local controls of `make run`. */
export class Controls {
  readonly #api: Api;
  readonly #token: string;

  constructor(api: Api, token: string) {
    this.#api = api;
    this.#token = token;
  }

  state(signal: AbortSignal): Promise<LocalState> {
    return this.#request('state', { signal });
  }

  /** Checks the guarantees, for the thread that the page shows. */
  guarantees(threadId: string | null, signal: AbortSignal): Promise<Guarantees> {
    const query = threadId === null ? '' : `?thread_id=${encodeURIComponent(threadId)}`;
    return this.#request(`guarantees${query}`, { signal });
  }

  async start(name: BreakName): Promise<void> {
    await this.#request(`breaks/${name}`, { method: 'POST' });
  }

  async end(name: BreakName): Promise<void> {
    await this.#request(`breaks/${name}`, { method: 'DELETE' });
  }

  async #request<T>(path: string, init: RequestInit): Promise<T> {
    let response: Response;
    try {
      response = await this.#api.fetch(`${this.#api.baseUrl}/_local/${path}`, {
        ...init,
        headers: { [TOKEN_HEADER]: this.#token },
      });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new Error('The local stack is not responding. Is make run still running?');
    }
    const body = (await response.json()) as T & { detail?: string };
    if (!response.ok) throw new Error(body.detail ?? `The local stack answered with status ${response.status}.`);
    return body;
  }
}
