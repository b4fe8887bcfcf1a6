import type { ChatTransport, CreateUIMessage, UIMessage, UIMessageChunk } from 'ai';
import { getMessages, type RunRequest } from './api.js';
import { ChatThread } from './chat-thread.js';
import { deleteAll, lookUp, run, type Turn } from './chat-turn.js';
import type { Connection } from './http.js';
import type { TurnContext, UseAgentChatOptions } from './types.js';
import { messageOf } from './unite.js';

export { AgentChatError } from './errors.js';
export type { TurnContext } from './types.js';

/** What a message's `metadata` holds: of an answer these two, of a question what it was sent with. */
export interface HybridMemoryMetadata {
  [name: string]: unknown;
  /** Of a question: the exchange it asks in, which is replaced. */
  exchangeId?: string | null;
  context?: Omit<TurnContext, 'latencyMs' | 'timings'>;
}

export type HybridMemoryUIMessage = UIMessage<HybridMemoryMetadata>;

export type HybridMemoryTransportOptions = Connection &
  Pick<UseAgentChatOptions, 'userId' | 'request'> & {
    /** The thread, where a chat's id is not its thread's: assistant-ui makes another id at every visit. */
    readonly threadId?: string | ((chatId: string) => string) | undefined;
  };

/** A message as assistant-ui has it when it is sent. */
interface SentMessage {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly attachments?: readonly unknown[] | undefined;
  /** The message that was edited. */
  readonly sourceId: string | null;
  readonly metadata?: { readonly custom?: Readonly<Record<string, unknown>> | undefined } | undefined;
}

type Sent = Parameters<ChatTransport<HybridMemoryUIMessage>['sendMessages']>[0];

const PASSING_ID = '__LOCALID_';

/**
 * The memory as a transport of the AI SDK: for `useChat`, assistant-ui and what else takes a `ChatTransport`.
 *
 * The chat's id is the thread, so give `useChat` one that lasts. Only the newest message is sent: the memory has the rest.
 */
export class HybridMemoryChatTransport implements ChatTransport<HybridMemoryUIMessage> {
  readonly #options: HybridMemoryTransportOptions;
  readonly #threads = new Map<string, ChatThread>();

  constructor(options: HybridMemoryTransportOptions = {}) {
    this.#options = options;
  }

  /**
   * Runs a turn, and streams its answer, which comes in one piece. Throws an AgentChatError.
   *
   * A message that was answered before has its turn replaced, and the turns that were shown after it are deleted.
   */
  readonly sendMessages: ChatTransport<HybridMemoryUIMessage>['sendMessages'] = async (sent) => {
    const index = sent.messages.findLastIndex(({ role }) => role === 'user');
    const message = sent.messages[index];
    if (!message) throw new TypeError('There is no message of the user to send.');
    const request = this.#requestOf(message, sent);
    const isNewHere = !this.#threads.has(request.thread_id);
    const thread = this.#thread(request.thread_id);
    const before = thread.showAll(sent.messages.slice(0, index));
    const turn: Turn = {
      connection: this.#connection(sent.headers),
      thread,
      messageId: message.id,
      request,
      previous: before.at(-1),
      isFirst: index === 0,
      isRegenerated: sent.trigger === 'regenerate-message',
      signal: sent.abortSignal ?? new AbortController().signal,
    };
    const isAgain = turn.isRegenerated || sent.messageId !== undefined;
    let exchangeId = thread.exchangeOf(message);
    if (exchangeId === undefined ? isAgain : isNewHere) exchangeId = await lookUp(turn, exchangeId);
    await deleteAll(turn, [...thread.outdated], 'Nothing was sent');
    const [answer, id] = await run(turn, exchangeId);
    const { source, degraded, durability, cached } = answer.memory;
    const told = { exchangeId: answer.exchange_id, context: { source, degraded, durability, cached } };
    return streamOf(`${id}:assistant`, answer.response, told);
  };

  /** There is never a stream to go on with: an answer comes in one piece, and `history` has it afterwards. */
  readonly reconnectToStream: ChatTransport<HybridMemoryUIMessage>['reconnectToStream'] = () => Promise.resolve(null);

  /** Makes a message of what assistant-ui sends: with it as `toCreateMessage`, an edited message replaces its turn. */
  // Any kind of message is asked for, whose types may be of another version of `ai`.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  readonly toCreateMessage = <Created = CreateUIMessage<HybridMemoryUIMessage>>(message: SentMessage): Created => {
    const { content, attachments = [], sourceId, metadata } = message;
    if (attachments.length > 0) throw refusal(['attachments']);
    const others = content.filter(({ type }) => type !== 'text').map(({ type }) => type);
    if (others.length > 0) throw refusal(others);
    const parts = content.map(({ text = '' }) => ({ type: 'text' as const, text }));
    const exchangeId = sourceId === null ? undefined : this.#exchangeOf(sourceId);
    const made = { role: 'user', parts, metadata: { ...metadata?.custom, ...(exchangeId && { exchangeId }) } };
    return made as Created;
  };

  /** Returns a thread's newest messages, the oldest first, to begin a chat with. Throws an AgentChatError. */
  async history(
    threadId: string,
    { limit = 50, signal }: { limit?: number; signal?: AbortSignal } = {},
  ): Promise<HybridMemoryUIMessage[]> {
    const stopping = signal ?? new AbortController().signal;
    const page = await getMessages(this.#options, threadId, { limit, cursor: null }, stopping);
    const messages = page.items.reverse().map((told): HybridMemoryUIMessage => {
      const { id, role, content, exchangeId, metadata } = messageOf(told);
      return { id, role, parts: [{ type: 'text', text: content }], metadata: { ...metadata, exchangeId } };
    });
    this.#thread(threadId).showAll(messages);
    return messages;
  }

  #requestOf(message: HybridMemoryUIMessage, { chatId, body }: Sent): RunRequest & { thread_id: string } {
    const { exchangeId: _, context: __, ...metadata } = message.metadata ?? {};
    return {
      ...this.#options.request,
      ...(body as Partial<RunRequest> | undefined),
      ...(Object.keys(metadata).length > 0 && { metadata }),
      prompt: textOf(message),
      thread_id: this.#threadIdOf(chatId),
      ...(this.#options.userId !== undefined && { user_id: this.#options.userId }),
    };
  }

  #threadIdOf(chatId: string): string {
    const { threadId } = this.#options;
    if (typeof threadId === 'string') return threadId;
    if (threadId) return threadId(chatId);
    if (!chatId.startsWith(PASSING_ID)) return chatId;
    throw new TypeError(
      'assistant-ui gives the chat another id at every visit: tell HybridMemoryChatTransport the `threadId`.',
    );
  }

  #exchangeOf(id: string): string | undefined {
    const known = Array.from(this.#threads.values(), (thread) => thread.exchangeOf({ id, metadata: undefined }));
    return known.find((exchange) => exchange !== undefined);
  }

  #thread(threadId: string): ChatThread {
    const known = this.#threads.get(threadId) ?? new ChatThread();
    this.#threads.set(threadId, known);
    return known;
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
  if (kinds.size > 0) throw refusal([...kinds]);
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}

function refusal(kinds: readonly string[]): TypeError {
  return new TypeError(`The memory keeps text; this message also has ${kinds.join(', ')}.`);
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
