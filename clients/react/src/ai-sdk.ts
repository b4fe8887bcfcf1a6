import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai';
import { getMessages, postRun, type Connection, type RunRequest } from './api.js';
import { newId } from './ids.js';
import type { TurnContext, UseAgentChatOptions } from './types.js';
import { messageOf } from './unite.js';

export { AgentChatError } from './errors.js';
export type { TurnContext } from './types.js';

/** What a message's `metadata` holds: of an answer these two, of a question what it was sent with. */
export interface HybridMemoryMetadata {
  [name: string]: unknown;
  exchangeId?: string | null;
  context?: Omit<TurnContext, 'latencyMs' | 'timings'>;
}

export type HybridMemoryUIMessage = UIMessage<HybridMemoryMetadata>;

export type HybridMemoryTransportOptions = Connection & Pick<UseAgentChatOptions, 'userId' | 'request'>;

interface Attempt {
  readonly exchangeId: string;
  readonly prompt: string;
}

const MOST_ATTEMPTS = 100;

/**
 * The memory as a transport of the AI SDK: for `useChat`, assistant-ui and what else takes a `ChatTransport`.
 *
 * The chat's id is the thread, so give `useChat` one that lasts. Only the newest message is sent: the memory has the rest.
 */
export class HybridMemoryChatTransport implements ChatTransport<HybridMemoryUIMessage> {
  readonly #options: HybridMemoryTransportOptions;
  /** Of messages without an answer yet, so that sending one again cannot double its turn. */
  readonly #attempts = new Map<string, Attempt>();

  constructor(options: HybridMemoryTransportOptions = {}) {
    this.#options = options;
  }

  /** Runs a turn, and streams its answer, which comes in one piece. Throws an AgentChatError. */
  readonly sendMessages: ChatTransport<HybridMemoryUIMessage>['sendMessages'] = async (asked) => {
    const { chatId, messages, abortSignal, headers, body } = asked;
    const message = messages.findLast(({ role }) => role === 'user');
    if (!message) throw new TypeError('There is no message of the user to send.');
    const prompt = textOf(message);
    const { exchangeId } = this.#attempt(`${chatId}/${message.id}`, prompt);
    const request: RunRequest = {
      ...this.#options.request,
      ...(body as Partial<RunRequest> | undefined),
      prompt,
      thread_id: chatId,
      ...(this.#options.userId !== undefined && { user_id: this.#options.userId }),
      exchange_id: exchangeId,
    };
    const { exchangeId: _, context: __, ...metadata } = message.metadata ?? {};
    if (Object.keys(metadata).length > 0) request.metadata = metadata;
    const signal = abortSignal ?? new AbortController().signal;
    const { answer } = await postRun(this.#connection(headers), request, exchangeId, signal);
    this.#attempts.delete(`${chatId}/${message.id}`);
    const { source, degraded, durability, cached } = answer.memory;
    const told = { exchangeId: answer.exchange_id, context: { source, degraded, durability, cached } };
    return streamOf(`${exchangeId}:assistant`, answer.response, told);
  };

  /** There is never a stream to go on with: an answer comes in one piece, and `history` has it afterwards. */
  readonly reconnectToStream: ChatTransport<HybridMemoryUIMessage>['reconnectToStream'] = () => Promise.resolve(null);

  /** Returns a thread's newest messages, the oldest first, to begin a chat with. Throws an AgentChatError. */
  async history(
    threadId: string,
    { limit = 50, signal }: { limit?: number; signal?: AbortSignal } = {},
  ): Promise<HybridMemoryUIMessage[]> {
    const stopping = signal ?? new AbortController().signal;
    const page = await getMessages(this.#options, threadId, { limit, cursor: null }, stopping);
    return page.items.reverse().map((told) => {
      const { id, role, content, exchangeId, metadata } = messageOf(told);
      return { id, role, parts: [{ type: 'text', text: content }], metadata: { ...metadata, exchangeId } };
    });
  }

  #attempt(key: string, prompt: string): Attempt {
    const before = this.#attempts.get(key);
    if (before?.prompt === prompt) return before;
    const attempt = { exchangeId: newId(), prompt };
    this.#attempts.set(key, attempt);
    for (const oldest of this.#attempts.keys()) if (this.#attempts.size > MOST_ATTEMPTS) this.#attempts.delete(oldest);
    return attempt;
  }

  #connection(more: HeadersInit | undefined): Connection {
    const { headers } = this.#options;
    if (more === undefined) return this.#options;
    const both = async (): Promise<Headers> => {
      const merged = new Headers(typeof headers === 'function' ? await headers() : headers);
      new Headers(more).forEach((value, name) => {
        merged.set(name, value);
      });
      return merged;
    };
    return { ...this.#options, headers: both };
  }
}

function textOf(message: UIMessage): string {
  const kinds = new Set(message.parts.map(({ type }) => type));
  kinds.delete('text');
  // Dropping a part silently would be a turn about something else.
  if (kinds.size > 0) throw new TypeError(`The memory keeps text; this message also has ${[...kinds].join(', ')}.`);
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}

function streamOf(id: string, text: string, metadata: HybridMemoryMetadata): ReadableStream<UIMessageChunk> {
  const chunks: UIMessageChunk<HybridMemoryMetadata>[] = [
    { type: 'start', messageId: id, messageMetadata: metadata },
    { type: 'text-start', id },
    { type: 'text-delta', id, delta: text },
    { type: 'text-end', id },
    { type: 'finish' },
  ];
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}
