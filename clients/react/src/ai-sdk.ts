import type { ChatTransport, CreateUIMessage, UIMessage, UIMessageChunk } from 'ai';
import { getMessages, type RunRequest } from './api.js';
import { ChatThread } from './chat-thread.js';
import { deleteAll, findExchange, run, type Turn } from './chat-turn.js';
import type { Connection } from '#client/http.js';
import type { TurnContext, UseAgentChatOptions } from './types.js';
import { messageOf } from './merge.js';

export { AgentChatError } from './errors.js';
export type { TurnContext } from './types.js';

/** The `metadata` of a message. An answer has these two fields. A question has the metadata that it was sent with. */
export interface HybridMemoryMetadata {
  [name: string]: unknown;
  /** On a question: the exchange to replace. */
  exchangeId?: string | null;
  context?: Omit<TurnContext, 'latencyMs' | 'timings'>;
}

export type HybridMemoryUIMessage = UIMessage<HybridMemoryMetadata>;

export type HybridMemoryTransportOptions = Connection &
  Pick<UseAgentChatOptions, 'userId' | 'request'> & {
    /** The thread id, if it differs from the chat id: assistant-ui creates a new chat id for every visit. */
    readonly threadId?: string | ((chatId: string) => string) | undefined;
  };

/** A message that assistant-ui sends. */
interface SentMessage {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly attachments?: readonly unknown[] | undefined;
  /** The id of the edited message. */
  readonly sourceId: string | null;
  readonly metadata?: { readonly custom?: Readonly<Record<string, unknown>> | undefined } | undefined;
}

type SendArguments = Parameters<ChatTransport<HybridMemoryUIMessage>['sendMessages']>[0];

const LOCAL_ID_PREFIX = '__LOCALID_';

/**
 * The memory as a `ChatTransport` of the AI SDK, for `useChat` and assistant-ui.
 *
 * The chat id is the thread id, so give `useChat` a stable id. Only the newest message is sent; the memory has the others.
 */
export class HybridMemoryChatTransport implements ChatTransport<HybridMemoryUIMessage> {
  readonly #options: HybridMemoryTransportOptions;
  readonly #threads = new Map<string, ChatThread>();

  constructor(options: HybridMemoryTransportOptions = {}) {
    this.#options = options;
  }

  /**
   * Runs a turn and streams its answer in one chunk. Throws an AgentChatError.
   *
   * If an answered message is sent again, its turn is replaced, and the turns that are shown after it are deleted.
   */
  readonly sendMessages: ChatTransport<HybridMemoryUIMessage>['sendMessages'] = async (args) => {
    const index = args.messages.findLastIndex(({ role }) => role === 'user');
    const message = args.messages[index];
    if (!message) throw new TypeError('There is no user message to send.');
    const request = this.#requestOf(message, args);
    const isNewHere = !this.#threads.has(request.thread_id);
    const thread = this.#thread(request.thread_id);
    const before = thread.recordMessages(args.messages.slice(0, index));
    const turn: Turn = {
      connection: this.#connection(args.headers),
      thread,
      messageId: message.id,
      request,
      previous: before.at(-1),
      isFirst: index === 0,
      isRegenerated: args.trigger === 'regenerate-message',
      signal: args.abortSignal ?? new AbortController().signal,
    };
    const isAgain = turn.isRegenerated || args.messageId !== undefined;
    let exchangeId = thread.exchangeOf(message);
    if (exchangeId === undefined ? isAgain : isNewHere) exchangeId = await findExchange(turn, exchangeId);
    await deleteAll(turn, [...thread.outdated], 'Nothing was sent');
    const [answer, id] = await run(turn, exchangeId);
    const { source, degraded, durability, cached } = answer.memory;
    const metadata = { exchangeId: answer.exchange_id, context: { source, degraded, durability, cached } };
    return streamOf(`${id}:assistant`, answer.response, metadata);
  };

  /** Resolves with null, because streams cannot be resumed. `history` returns the answer when it is stored. */
  readonly reconnectToStream: ChatTransport<HybridMemoryUIMessage>['reconnectToStream'] = () => Promise.resolve(null);

  /** Converts a message of assistant-ui. As its `toCreateMessage`, it lets an edited message replace its turn. */
  // The message type may come from another version of `ai`.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  readonly toCreateMessage = <Created = CreateUIMessage<HybridMemoryUIMessage>>(message: SentMessage): Created => {
    const { content, attachments = [], sourceId, metadata } = message;
    if (attachments.length > 0) throw unsupported(['attachments']);
    const others = content.filter(({ type }) => type !== 'text').map(({ type }) => type);
    if (others.length > 0) throw unsupported(others);
    const parts = content.map(({ text = '' }) => ({ type: 'text' as const, text }));
    const exchangeId = sourceId === null ? undefined : this.#exchangeOf(sourceId);
    const created = { role: 'user', parts, metadata: { ...metadata?.custom, ...(exchangeId && { exchangeId }) } };
    return created as Created;
  };

  /** Returns a thread's newest messages, oldest first, as initial messages of a chat. Throws an AgentChatError. */
  async history(
    threadId: string,
    { limit = 50, signal }: { limit?: number; signal?: AbortSignal } = {},
  ): Promise<HybridMemoryUIMessage[]> {
    const abortSignal = signal ?? new AbortController().signal;
    const page = await getMessages(this.#options, threadId, { limit, cursor: null }, abortSignal);
    const messages = page.items.reverse().map((item): HybridMemoryUIMessage => {
      const { id, role, content, exchangeId, metadata } = messageOf(item);
      return { id, role, parts: [{ type: 'text', text: content }], metadata: { ...metadata, exchangeId } };
    });
    this.#thread(threadId).recordMessages(messages);
    return messages;
  }

  #requestOf(message: HybridMemoryUIMessage, { chatId, body }: SendArguments): RunRequest & { thread_id: string } {
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
    if (!chatId.startsWith(LOCAL_ID_PREFIX)) return chatId;
    throw new TypeError(
      'assistant-ui creates a new chat id for every visit: give HybridMemoryChatTransport a `threadId`.',
    );
  }

  #exchangeOf(id: string): string | undefined {
    const exchanges = Array.from(this.#threads.values(), (thread) => thread.exchangeOf({ id, metadata: undefined }));
    return exchanges.find((exchange) => exchange !== undefined);
  }

  #thread(threadId: string): ChatThread {
    const thread = this.#threads.get(threadId) ?? new ChatThread();
    this.#threads.set(threadId, thread);
    return thread;
  }

  #connection(more: HeadersInit | undefined): Connection {
    const { headers } = this.#options;
    if (more === undefined) return this.#options;
    const mergedHeaders = async (): Promise<Headers> => {
      const merged = new Headers(typeof headers === 'function' ? await headers() : headers);
      new Headers(more).forEach((value, name) => {
        merged.set(name, value);
      });
      return merged;
    };
    return { ...this.#options, headers: mergedHeaders };
  }
}

function textOf(message: UIMessage): string {
  const kinds = new Set(message.parts.map(({ type }) => type));
  kinds.delete('text');
  // Dropping a part silently would change the meaning of the turn.
  if (kinds.size > 0) throw unsupported([...kinds]);
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}

function unsupported(kinds: readonly string[]): TypeError {
  return new TypeError(`The memory stores only text; this message also has ${kinds.join(', ')}.`);
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
