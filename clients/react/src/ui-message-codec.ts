import type { UIMessage } from 'ai';
import { callStep, fittingSteps, resultStep, type Step } from './model-turn.js';

/** The messages of an exchange: a user's message and those after it, or those before the first one of the user. */
export type MessageGroup<Message extends UIMessage = UIMessage> = readonly [Message, ...Message[]];

/** An exchange as the memory stores it. */
export interface StoredExchange {
  readonly user_message: string;
  readonly assistant_message: string;
  readonly metadata: Readonly<Record<string, unknown>> | null;
}

/** The messages in the metadata of their exchange, under `ai_sdk`. */
interface StoredMessages {
  /** The version of this form. */
  readonly ui: typeof FORM;
  /** The lengths of the exchange's texts, in UTF-16 units. */
  readonly lengths: readonly [user: number, assistant: number];
  /** The messages. The text of a text part is its place in the exchange's text. */
  readonly messages: readonly UIMessage[];
}

interface Part {
  readonly type: string;
  readonly text?: unknown;
  readonly toolName?: string;
  readonly toolCallId?: string;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly errorText?: unknown;
}

const FORM = 1;
const OWN = new Set(['ai_sdk', 'steps', 'kind']);
const MAX_DEPTH = 64;
// The API stores integers of at most 64 bits. JSON writes the numbers from this one on with an exponent.
const [MAX_INTEGER, MIN_EXPONENT] = [2 ** 63, 1e21];
const UUID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):(?:user|assistant)$/;

/** Splits a conversation into its exchanges. */
export function groupMessages<Message extends UIMessage>(messages: readonly Message[]): MessageGroup<Message>[] {
  const groups: [Message, ...Message[]][] = [];
  for (const message of messages) {
    const last = groups.at(-1);
    if (!last || message.role === 'user') groups.push([message]);
    else last.push(message);
  }
  return groups;
}

/**
 * Returns the id of a message's exchange, a UUID that depends only on the two ids. So a repetition is the same exchange.
 *
 * For a message with an id of the memory, the id is that of its exchange.
 */
export async function exchangeIdOf(threadId: string, messageId: string): Promise<string> {
  const known = UUID.exec(messageId)?.[1];
  if (known !== undefined) return known;
  const name = new TextEncoder().encode(JSON.stringify(['hybrid-memory', threadId, messageId]));
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', name));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Returns the exchange of these messages. Other programs' metadata of the exchange before stays. */
export function encodeGroup(group: MessageGroup, before?: StoredExchange): StoredExchange {
  const texts = { user: '', assistant: '' };
  const messages = group.map((message): UIMessage => {
    const { role } = message;
    if (role === 'system') return message;
    const parts = message.parts.map((part) => {
      if (part.type !== 'text') return part;
      if (texts[role] !== '') texts[role] += '\n\n';
      const start = texts[role].length;
      texts[role] += part.text;
      return { ...part, text: [start, texts[role].length] };
    });
    return { ...message, parts: parts as UIMessage['parts'] };
  });
  const others = Object.entries(before?.metadata ?? {}).filter(([name]) => !OWN.has(name));
  const steps = fittingSteps(group.flatMap(({ parts }) => parts.flatMap(stepsOf)));
  const stored: StoredMessages = { ui: FORM, lengths: [texts.user.length, texts.assistant.length], messages };
  return {
    user_message: texts.user,
    assistant_message: texts.assistant,
    metadata: {
      ...Object.fromEntries(others),
      ...(steps.length > 0 && { steps }),
      ...(group[0].role !== 'user' && { kind: 'step' }),
      ai_sdk: stored,
    },
  };
}

/** Returns the messages of an exchange. For an exchange of another program, these are its texts. */
export function decodeExchange(id: string, exchange: StoredExchange): UIMessage[] {
  const { user_message: user, assistant_message: assistant, metadata } = exchange;
  const stored = metadata?.['ai_sdk'];
  if (isStored(stored) && stored.lengths[0] === user.length && stored.lengths[1] === assistant.length) {
    return stored.messages.map((message) => ({
      ...message,
      parts: message.parts.map((part) => decodePart(part, message.role === 'user' ? user : assistant)),
    }));
  }
  if (metadata?.['kind'] === 'step') return [];
  return (['user', 'assistant'] as const).flatMap((role): UIMessage[] => {
    const text = role === 'user' ? user : assistant;
    return text === '' ? [] : [{ id: `${id}:${role}`, role, parts: [{ type: 'text', text }] }];
  });
}

/** Returns why a value would not be the same after it was stored as JSON; undefined if it would be. */
export function jsonProblem(value: unknown, path = '', depth = 1): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value === 'string') {
    return /[\0\p{Surrogate}]/u.test(value) ? `a character at ${path} that cannot be stored` : undefined;
  }
  if (typeof value === 'number') {
    const size = Math.abs(value);
    if (!Number.isFinite(value)) return `${String(value)} at ${path}, which JSON does not have`;
    const isTooLarge = Number.isInteger(value) && size >= MAX_INTEGER && size < MIN_EXPONENT;
    return isTooLarge ? `an integer of more than 64 bits at ${path}` : undefined;
  }
  if (typeof value !== 'object') return `a value of type ${typeof value} at ${path}, which JSON does not have`;
  if (depth > MAX_DEPTH) return `more than ${String(MAX_DEPTH)} levels at ${path}`;
  if (Array.isArray(value)) {
    return firstProblem(Array.from(value, (each, index) => jsonProblem(each, `${path}[${String(index)}]`, depth + 1)));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return `a ${(value.constructor as { name?: string } | undefined)?.name ?? 'special object'} at ${path}, which JSON does not have`;
  }
  // JSON leaves out an undefined property, which means the same.
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return firstProblem(
    fields.flatMap(([name, each]) => [
      jsonProblem(name, `${path}.${name}`, depth + 1),
      jsonProblem(each, path === '' ? name : `${path}.${name}`, depth + 1),
    ]),
  );
}

function firstProblem(problems: readonly (string | undefined)[]): string | undefined {
  return problems.find((problem) => problem !== undefined);
}

function decodePart(part: UIMessage['parts'][number], text: string): UIMessage['parts'][number] {
  const place: unknown = part.type === 'text' ? part.text : undefined;
  if (!Array.isArray(place)) return part;
  const [start, end] = place as [number, number];
  return { ...part, text: text.slice(start, end) } as UIMessage['parts'][number];
}

function isStored(value: unknown): value is StoredMessages {
  return typeof value === 'object' && value !== null && (value as { ui?: unknown }).ui === FORM;
}

function stepsOf(part: Part): Step[] {
  const { type, toolCallId: id } = part;
  if (id === undefined || !(type === 'dynamic-tool' || type.startsWith('tool-'))) return [];
  const call = callStep(id, part.toolName ?? type.slice('tool-'.length), part.input);
  const result = part.output ?? part.errorText;
  return result === undefined ? [call] : [call, resultStep(id, result)];
}
