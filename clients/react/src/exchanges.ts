import type { components } from '#client/api-types.js';
import { getMessages, isMissing, isObject, pathOf, type MessageAnswer } from './api.js';
import { AgentChatError, requireComplete } from './errors.js';
import { send, type Connection } from '#client/http.js';

type Schemas = components['schemas'];
export type InvokingRequest = Schemas['InvokingRequest'];
export type InvokingAnswer = Schemas['InvokingAnswer'];
export type InvokedRequest = Schemas['InvokedRequest'];
export type InvokedAnswer = Schemas['InvokedAnswer'];

/** An exchange to store under an id that the caller has chosen, so that a repetition is the same exchange. */
export type Exchange = InvokedRequest & { readonly thread_id: string; readonly exchange_id: string };

/** The API's limit of a text, in characters (Unicode code points). */
export const MAX_TEXT_CHARACTERS = 200_000;
/** The API's limit of the metadata of an exchange as JSON, in bytes. */
export const MAX_METADATA_BYTES = 100_000;
const PAGE_SIZE = 200;

/**
 * Returns the context of a turn.
 *
 * Throws only AgentChatError, also if stores that did not respond may have earlier messages and `allowDegraded` is false.
 */
export async function postInvoking(
  connection: Connection,
  body: InvokingRequest,
  { allowDegraded, signal }: { allowDegraded: boolean; signal: AbortSignal },
): Promise<InvokingAnswer> {
  const request = { path: '/invoking', method: 'POST', body, signal, isAnswer: isInvokingAnswer };
  const [answer] = await send(connection, request);
  if (!allowDegraded) requireComplete(answer.degraded);
  return answer;
}

/**
 * Stores an exchange. Under the id of a stored exchange, that exchange stays.
 *
 * Throws only AgentChatError, also if no store accepted the exchange.
 */
export async function storeExchange(connection: Connection, exchange: Exchange): Promise<InvokedAnswer> {
  const request = { path: '/invoked', method: 'POST', body: exchange, signal: unstopped(), isAnswer: isInvokedAnswer };
  const [answer] = await send(connection, request);
  return requireStored(answer);
}

/**
 * Replaces the texts and the metadata of an exchange, or stores it if it does not exist.
 *
 * Throws only AgentChatError, also if no store accepted the exchange.
 */
export async function replaceExchange(connection: Connection, exchange: Exchange): Promise<InvokedAnswer> {
  const { thread_id, exchange_id, user_message, assistant_message, metadata } = exchange;
  const path = `${pathOf(thread_id)}/exchanges/${encodeURIComponent(exchange_id)}`;
  const body = { user_message, assistant_message, metadata: metadata ?? null };
  try {
    const request = { path, method: 'PUT', body, signal: unstopped(), isAnswer: isInvokedAnswer };
    const [answer] = await send(connection, request);
    return requireStored(answer);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return storeExchange(connection, exchange);
  }
}

/** Throws an AgentChatError that names the limit if the API would refuse the exchange. */
export function requireFits(exchange: Pick<Exchange, 'user_message' | 'assistant_message' | 'metadata'>): void {
  for (const [name, text] of [
    ['user’s text', exchange.user_message],
    ['assistant’s text', exchange.assistant_message],
  ] as const) {
    // Half a surrogate pair, and NUL.
    if (/[\0\p{Surrogate}]/u.test(text)) {
      const detail = `The ${name} has a character that cannot be stored. It is not stored.`;
      throw new AgentChatError({ status: 422, title: 'Not storable', detail });
    }
    const length = text.length > MAX_TEXT_CHARACTERS ? Array.from(text).length : 0;
    if (length > MAX_TEXT_CHARACTERS) {
      throw tooLargeError(`The ${name} has ${format(length)} characters`, `${format(MAX_TEXT_CHARACTERS)} characters`);
    }
  }
  const bytes = jsonBytes(exchange.metadata ?? {});
  if (bytes > MAX_METADATA_BYTES) {
    throw tooLargeError(
      `The exchange’s metadata has ${format(bytes)} bytes as JSON`,
      `${format(MAX_METADATA_BYTES)} bytes of metadata`,
    );
  }
}

/** Returns the size of a value as JSON, in bytes. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/** Yields the messages of a thread, newest first. Throws only AgentChatError. */
export async function* readMessages(
  connection: Connection,
  threadId: string,
  { allowDegraded, signal }: { allowDegraded: boolean; signal: AbortSignal },
): AsyncGenerator<MessageAnswer> {
  let cursor: string | null = null;
  do {
    const page = await getMessages(connection, threadId, { limit: PAGE_SIZE, cursor }, signal);
    if (!allowDegraded) requireComplete(page.degraded);
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor !== null);
}

/** Returns a signal that never aborts: an exchange whose storing has begun is stored. */
function unstopped(): AbortSignal {
  return new AbortController().signal;
}

function requireStored(answer: InvokedAnswer): InvokedAnswer {
  if (answer.durability !== 'none') return answer;
  const detail = 'No store accepted the exchange, or an exchange of this id was deleted. It is not stored.';
  throw new AgentChatError({ status: 503, title: 'Not stored', detail });
}

/** Returns the error of an exchange that the API would refuse. */
export function tooLargeError(fact: string, limit: string): AgentChatError {
  const detail = `${fact}. An exchange holds at most ${limit}. It is not stored.`;
  return new AgentChatError({ status: 413, title: 'Too large', detail });
}

/** Returns a number with its thousands separated. */
export function format(count: number): string {
  return count.toLocaleString('en-US');
}

function isInvokingAnswer(body: unknown): body is InvokingAnswer {
  return isObject(body) && Array.isArray(body['degraded']) && typeof body['source'] === 'string';
}

function isInvokedAnswer(body: unknown): body is InvokedAnswer {
  return isObject(body) && typeof body['durability'] === 'string';
}
