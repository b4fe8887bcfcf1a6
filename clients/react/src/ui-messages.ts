import type { UIMessage } from 'ai';
import { deleteExchange, type MessageAnswer } from './api.js';
import { AgentChatError } from './errors.js';
import {
  format,
  jsonBytes,
  MAX_METADATA_BYTES,
  readMessages,
  replaceExchange,
  requireFits,
  storeExchange,
  tooLargeError,
} from './exchanges.js';
import type { Connection } from '#client/http.js';
import {
  decodeExchange,
  encodeGroup,
  exchangeIdOf,
  groupMessages,
  jsonProblem,
  type MessageGroup,
  type StoredExchange,
} from './ui-message-codec.js';

/** How many exchanges `save` reads in addition to those of its messages. */
const MAX_OTHERS = 100;

export type UIMessageStoreOptions = Connection & {
  /** The owner of the threads. */
  readonly userId?: string | undefined;
  /** Whether to continue although messages may be missing, because several layers did not respond. */
  readonly allowDegraded?: boolean | undefined;
};

export interface SaveOptions {
  /**
   * Whether to delete the thread's exchanges that are newer than the first stored one of these messages, and are not among
   * them. Set it if the user regenerated or edited a message, which ends the conversation there.
   */
  readonly deleteLater?: boolean | undefined;
}

/**
 * The memory as a store of the AI SDK's `UIMessage`s: all their parts are stored, and loaded again.
 *
 * A message of the user and the messages after it are one exchange. Its texts are those of the text parts. The other parts
 * are in its metadata, which holds 100,000 bytes as JSON.
 */
export class UIMessageStore<Message extends UIMessage = UIMessage> {
  readonly #options: UIMessageStoreOptions;

  constructor(options: UIMessageStoreOptions) {
    this.#options = options;
  }

  /**
   * Stores the messages of a conversation, or its newest messages. Unchanged exchanges are not sent again.
   *
   * Throws an AgentChatError. If a message is too large or has a value that JSON does not have, nothing is stored.
   */
  async save(threadId: string, messages: readonly Message[], { deleteLater = false }: SaveOptions = {}): Promise<void> {
    const groups = new Map<string, MessageGroup>();
    for (const group of groupMessages(messages)) groups.set(await exchangeIdOf(threadId, group[0].id), group);
    for (const group of groups.values()) requireStorable(group);
    const limit = deleteLater ? Infinity : groups.size + MAX_OTHERS;
    const stored = await this.#read(
      threadId,
      (ids) => ids.size < limit && [...groups.keys()].some((id) => !ids.has(id)),
    );
    // An exchange that was not found is new, unless it is older than those that were read.
    const isAllRead = stored.size < limit;
    const changed = [...groups].flatMap(([id, group]) => {
      const before = stored.get(id);
      const isSame = before && JSON.stringify(decodeExchange(id, before)) === JSON.stringify(group);
      return isSame ? [] : [{ id, isNew: !before && isAllRead, exchange: fit(group, before) }];
    });
    for (const { id, isNew, exchange } of changed) {
      const request = {
        ...exchange,
        metadata: { ...exchange.metadata },
        thread_id: threadId,
        user_id: this.#options.userId ?? null,
        exchange_id: id,
        document_ids: [],
      };
      await (isNew ? storeExchange(this.#options, request) : replaceExchange(this.#options, request));
    }
    if (!deleteLater) return;
    // Newest first, so that a failure leaves a conversation without gaps.
    const ids = [...stored.keys()];
    const first = ids.findLastIndex((id) => groups.has(id));
    for (const id of ids.slice(0, first + 1).filter((each) => !groups.has(each))) {
      await deleteExchange(this.#options, threadId, id, new AbortController().signal);
    }
  }

  /**
   * Returns the messages of a thread, oldest first: all, or those of the newest `limit` exchanges.
   *
   * Exchanges of other programs are messages with one text part. Throws an AgentChatError.
   */
  async load(threadId: string, { limit = Infinity }: { limit?: number | undefined } = {}): Promise<Message[]> {
    const stored = await this.#read(threadId, (ids) => ids.size < limit);
    return [...stored]
      .slice(0, limit)
      .reverse()
      .flatMap(([id, exchange]) => decodeExchange(id, exchange) as Message[]);
  }

  /** Returns the newest exchanges, newest first, as long as more are needed. */
  async #read(
    threadId: string,
    needsMore: (ids: ReadonlyMap<string, StoredExchange>) => boolean,
  ): Promise<Map<string, StoredExchange>> {
    const exchanges = new Map<string, StoredExchange>();
    const reading = { allowDegraded: this.#options.allowDegraded ?? false, signal: new AbortController().signal };
    for await (const message of readMessages(this.#options, threadId, reading)) {
      const { exchange_id } = message;
      // A message that another program wrote into Redis has no exchange.
      if (exchange_id === null) continue;
      if (!exchanges.has(exchange_id) && !needsMore(exchanges)) break;
      exchanges.set(exchange_id, withMessage(exchanges.get(exchange_id), message));
    }
    return exchanges;
  }
}

function withMessage(exchange: StoredExchange | undefined, message: MessageAnswer): StoredExchange {
  const { user_message, assistant_message, metadata } = exchange ?? {
    user_message: '',
    assistant_message: '',
    metadata: null,
  };
  if (message.role !== 'user') return { user_message, assistant_message: message.content, metadata };
  return { user_message: message.content, assistant_message, metadata: message.metadata ?? null };
}

/** Throws an AgentChatError if the messages cannot be stored without a loss. */
function requireStorable(group: MessageGroup): void {
  const problem = jsonProblem(group) ?? jsonProblem(encodeGroup(group).metadata);
  if (problem !== undefined) {
    const detail = `The messages from “${group[0].id}” on have ${problem}. Nothing was stored.`;
    throw new AgentChatError({ status: 422, title: 'Not storable', detail });
  }
  fit(group);
}

/** Returns the exchange of the messages. Throws an AgentChatError that names the limit if they do not fit. */
function fit(group: MessageGroup, before?: StoredExchange): StoredExchange {
  const whole = encodeGroup(group, before);
  // The steps are for display in other programs.
  const { steps: _, ...withoutSteps } = whole.metadata ?? {};
  const exchange = jsonBytes(whole.metadata) > MAX_METADATA_BYTES ? { ...whole, metadata: withoutSteps } : whole;
  const bytes = jsonBytes(exchange.metadata);
  if (bytes > MAX_METADATA_BYTES) {
    const files = group.flatMap(({ parts }) => parts).filter((part) => part.type === 'file');
    const hasData = files.some(({ url }) => url.startsWith('data:'));
    const fact = `Besides their texts, the messages from “${group[0].id}” on have ${format(bytes)} bytes as JSON`;
    const advice = hasData ? ' of messages. Store the files elsewhere, and give their URLs' : ' of messages';
    throw tooLargeError(fact, `${format(MAX_METADATA_BYTES)} bytes${advice}`);
  }
  requireFits({ ...exchange, metadata: { ...exchange.metadata } });
  return exchange;
}
