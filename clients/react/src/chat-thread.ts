import type { UIMessage } from 'ai';
import type { RunRequest } from './api.js';

/** The request of a turn. Retries repeat it unchanged, so that the server runs the turn once. */
export interface Attempt {
  body: RunRequest;
  /** The `Idempotency-Key`. */
  key: string;
  exchangeId: string;
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const MESSAGE_ID = new RegExp(`^(${UUID}):(user|assistant)$`);
const MAX_ATTEMPTS = 100;

/** The exchanges of a thread that the AI SDK shows, and its unfinished attempts. */
export class ChatThread {
  /** The shown exchanges, in order. */
  #order: string[] = [];
  /** The exchanges that the server has stored. */
  readonly #stored = new Set<string>();
  /** The exchange of each user message, by message id. */
  readonly #questions = new Map<string, string>();
  readonly #attempts = new Map<string, Attempt>();
  /** Exchanges to delete: they are no longer shown. */
  readonly outdated = new Set<string>();

  get exchanges(): readonly string[] {
    return this.#order;
  }

  /** Returns the exchange of a message; undefined if it is unknown. */
  exchangeOf({ id, metadata }: Pick<UIMessage, 'id' | 'metadata'>): string | undefined {
    const exchangeId = (metadata as { exchangeId?: unknown } | undefined)?.exchangeId;
    return typeof exchangeId === 'string' ? exchangeId : (this.#questions.get(id) ?? MESSAGE_ID.exec(id)?.[1]);
  }

  /** Records the shown messages, and returns the answered exchanges. */
  recordMessages(messages: readonly UIMessage[]): string[] {
    const answered: string[] = [];
    for (const message of messages) {
      const exchange = this.exchangeOf(message);
      if (exchange === undefined) continue;
      if (message.role === 'user') this.#questions.set(message.id, exchange);
      else answered.push(exchange);
    }
    this.recordStored(answered);
    return answered;
  }

  /** Records stored exchanges that are shown one after the other. */
  recordStored(exchanges: Iterable<string>): void {
    let position = this.#order.length;
    for (const exchange of exchanges) {
      const index = this.#order.indexOf(exchange);
      if (index < 0) this.#order.splice(position, 0, exchange);
      position = (index < 0 ? position : index) + 1;
      this.#stored.add(exchange);
    }
  }

  /** Records the exchange of a question. */
  recordQuestion(messageId: string, exchange: string): void {
    this.#questions.set(messageId, exchange);
    if (!this.#order.includes(exchange)) this.#order.push(exchange);
  }

  isStored(exchange: string): boolean {
    return this.#stored.has(exchange);
  }

  /** Returns the exchanges shown after this one. */
  after(exchange: string): string[] {
    const position = this.#order.indexOf(exchange);
    return position < 0 ? [] : this.#order.slice(position + 1);
  }

  forget(exchange: string): void {
    this.#order = this.#order.filter((each) => each !== exchange);
    this.outdated.delete(exchange);
  }

  /** Returns the attempt for this request, or creates it. */
  attempt(messageId: string, request: RunRequest, create: () => Attempt): Attempt {
    const name = JSON.stringify([messageId, withSortedKeys(request)]);
    const attempt = this.#attempts.get(name) ?? create();
    this.#attempts.set(name, attempt);
    for (const oldest of this.#attempts.keys()) if (this.#attempts.size > MAX_ATTEMPTS) this.#attempts.delete(oldest);
    return attempt;
  }

  /** Ends all attempts for a message. Sending it again is a new request. */
  endAttempts(messageId: string, exchange: string): void {
    this.#stored.add(exchange);
    for (const name of this.#attempts.keys()) {
      if ((JSON.parse(name) as [string])[0] === messageId) this.#attempts.delete(name);
    }
  }
}

/** Returns the value with sorted object keys, because the server ignores key order, too. */
function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, withSortedKeys(each)]));
}
