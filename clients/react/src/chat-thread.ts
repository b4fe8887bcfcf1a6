import type { UIMessage } from 'ai';
import type { RunRequest } from './api.js';

/** A request for a turn: the same one until it is answered, however often it is sent, so that it is one turn. */
export interface Attempt {
  body: RunRequest;
  /** The `Idempotency-Key`. */
  key: string;
  exchangeId: string;
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const NAMED = new RegExp(`^(${UUID}):(user|assistant)$`);
const MOST_ATTEMPTS = 100;

/** What a page knows of a thread that the AI SDK shows: its exchanges in order, and what was not finished. */
export class ChatThread {
  /** The exchanges that were shown, in their order. */
  #order: string[] = [];
  /** Those of them that the server has or had. */
  readonly #stored = new Set<string>();
  /** The exchange of each message of the user's, by the message's id. */
  readonly #questions = new Map<string, string>();
  readonly #attempts = new Map<string, Attempt>();
  /** Exchanges that are no longer shown and still have to be deleted. */
  readonly outdated = new Set<string>();

  get exchanges(): readonly string[] {
    return this.#order;
  }

  /** Returns the exchange that a message belongs to; undefined if that is not known. */
  exchangeOf({ id, metadata }: Pick<UIMessage, 'id' | 'metadata'>): string | undefined {
    const told = (metadata as { exchangeId?: unknown } | undefined)?.exchangeId;
    return typeof told === 'string' ? told : (this.#questions.get(id) ?? NAMED.exec(id)?.[1]);
  }

  /** Takes note of messages that are shown, and returns the exchanges of those that were answered. */
  showAll(messages: readonly UIMessage[]): string[] {
    const answered: string[] = [];
    for (const message of messages) {
      const exchange = this.exchangeOf(message);
      if (exchange === undefined) continue;
      if (message.role === 'user') this.#questions.set(message.id, exchange);
      else answered.push(exchange);
    }
    this.show(answered);
    return answered;
  }

  /** Takes note of stored exchanges that are shown one after the other. */
  show(exchanges: Iterable<string>): void {
    let place = this.#order.length;
    for (const exchange of exchanges) {
      const known = this.#order.indexOf(exchange);
      if (known < 0) this.#order.splice(place, 0, exchange);
      place = (known < 0 ? place : known) + 1;
      this.#stored.add(exchange);
    }
  }

  /** Takes note that a message asks in this exchange. */
  ask(messageId: string, exchange: string): void {
    this.#questions.set(messageId, exchange);
    if (!this.#order.includes(exchange)) this.#order.push(exchange);
  }

  isStored(exchange: string): boolean {
    return this.#stored.has(exchange);
  }

  /** Returns the exchanges that were shown after this one. */
  after(exchange: string): string[] {
    const place = this.#order.indexOf(exchange);
    return place < 0 ? [] : this.#order.slice(place + 1);
  }

  forget(exchange: string): void {
    this.#order = this.#order.filter((each) => each !== exchange);
    this.outdated.delete(exchange);
  }

  /** Returns the attempt at this very request, made now if there is none. */
  attempt(messageId: string, request: RunRequest, make: () => Attempt): Attempt {
    const name = JSON.stringify([messageId, sorted(request)]);
    const attempt = this.#attempts.get(name) ?? make();
    this.#attempts.set(name, attempt);
    for (const oldest of this.#attempts.keys()) if (this.#attempts.size > MOST_ATTEMPTS) this.#attempts.delete(oldest);
    return attempt;
  }

  /** Ends all attempts at what a message asks: it was answered, and is asked anew from now on. */
  answered(messageId: string, exchange: string): void {
    this.#stored.add(exchange);
    for (const name of this.#attempts.keys()) {
      if ((JSON.parse(name) as [string])[0] === messageId) this.#attempts.delete(name);
    }
  }
}

/** Returns the value with the keys of its objects in one order, as the server compares requests. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]));
}
