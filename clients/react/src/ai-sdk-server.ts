import type { MessageAnswer } from './api.js';
import { isIdRejected } from './api.js';
import {
  postInvoking,
  readMessages,
  replaceExchange,
  requireFits,
  storeExchange,
  type Exchange,
  type InvokedAnswer,
} from './exchanges.js';
import type { Connection } from '#client/http.js';
import { isTimeOrdered, newExchangeId, newId } from '#client/ids.js';
import {
  addContext,
  contextWithoutConversation,
  conversationOf,
  StepReader,
  turnOf,
  type AnswerPart,
  type ModelTurn,
  type PromptMessage,
} from './model-turn.js';

export { AgentChatError } from './errors.js';
export { MAX_METADATA_BYTES, MAX_TEXT_CHARACTERS } from './exchanges.js';
export type { Connection } from '#client/http.js';
export { exchangeIdOf } from './ui-message-codec.js';
export { UIMessageStore, type SaveOptions, type UIMessageStoreOptions } from './ui-messages.js';

/** The options of one turn. `providerOptions.hybridMemory` of a call takes precedence. */
export interface TurnOptions {
  readonly threadId?: string | undefined;
  readonly userId?: string | undefined;
  /** The id of the exchange, a UUID. A repeated turn with the same id is stored once, and its first answer stays. */
  readonly exchangeId?: string | undefined;
  /** The exchange whose texts this turn replaces. If it does not exist, the turn is stored under this id. */
  readonly replaces?: string | undefined;
  /** The exchange's metadata, a JSON object. `steps` and `ai_sdk` are added. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly documentIds?: readonly string[] | undefined;
}

export type MemoryModelOptions = Connection &
  TurnOptions & {
    /**
     * Where the earlier messages come from: the memory, or the prompt. By default the memory, unless the prompt has messages
     * before the newest one of the user.
     */
    readonly history?: 'memory' | 'prompt' | undefined;
    /** More parts of the context: what is known about the user, and related exchanges of other threads. */
    readonly include?: readonly ('memories' | 'related')[] | undefined;
    readonly maxContextTokens?: number | undefined;
    /** Whether to store the exchange; true by default. */
    readonly store?: boolean | undefined;
    /** Whether to continue although earlier messages may be missing, because several layers did not respond. */
    readonly allowDegraded?: boolean | undefined;
    /** Called when the exchange is stored. */
    readonly onStored?: ((stored: InvokedAnswer) => void) | undefined;
    /** Called when the exchange could not be stored. Without it, the call fails, and a stream has an error at its end. */
    readonly onNotStored?: ((error: unknown) => void) | undefined;
  };

/** A language model of AI SDK 5, 6 or 7. */
export interface MemoryModel {
  readonly specificationVersion: string;
  doGenerate(options: never): PromiseLike<unknown>;
  doStream(options: never): PromiseLike<unknown>;
}

interface CallOptions {
  readonly prompt: readonly PromptMessage[];
  readonly abortSignal?: AbortSignal | undefined;
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

interface Generated {
  readonly content: readonly AnswerPart[];
  readonly finishReason: AnswerPart['finishReason'];
}

interface CallableModel {
  doGenerate(options: CallOptions): PromiseLike<Generated>;
  doStream(options: CallOptions): PromiseLike<{ readonly stream: ReadableStream<AnswerPart> }>;
}

const MAX_OPEN_TURNS = 100;
const OPTIONS_NAME = 'hybridMemory';

/**
 * Returns the model with a memory: each turn gets the thread's context, and is stored when its answer is complete.
 *
 * A turn with several steps is one exchange. An aborted or failed turn is not stored, nor is a turn that ends with a call of
 * a tool. Throws a TypeError if the options name no thread.
 */
export function withMemory<Model extends MemoryModel>(model: Model, options: MemoryModelOptions): Model {
  if (typeof model !== 'object') throw new TypeError('withMemory needs a model, not its name.');
  const memory = new ModelMemory(options);
  const callable = model as unknown as CallableModel;
  const doGenerate = async (call: CallOptions): Promise<Generated> => {
    const step = await memory.begin(call);
    const result = await callable.doGenerate(step.call);
    for (const part of result.content) step.reader.add(part);
    step.reader.finish(result.finishReason);
    await step.end();
    return result;
  };
  const doStream = async (call: CallOptions): Promise<{ stream: ReadableStream<AnswerPart> }> => {
    const step = await memory.begin(call);
    const result = await callable.doStream(step.call);
    return { ...result, stream: result.stream.pipeThrough(step.transform()) };
  };
  return new Proxy(model, {
    get(target, name) {
      if (name === 'doGenerate') return doGenerate;
      if (name === 'doStream') return doStream;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** The memory of one wrapped model. */
class ModelMemory {
  readonly #options: MemoryModelOptions;
  /** The contexts of unfinished turns, by their first tool call, so that all steps of a turn get the same context. */
  readonly #contexts = new Map<string, string>();
  #isExchangeStored = false;

  constructor(options: MemoryModelOptions) {
    this.#options = options;
  }

  /** Begins a step: returns the call with the context. */
  async begin(call: CallOptions): Promise<ModelStep> {
    const { [OPTIONS_NAME]: turnOptions, ...providerOptions } = call.providerOptions ?? {};
    const options: MemoryModelOptions = { ...this.#options, ...(turnOptions as TurnOptions | undefined) };
    const turn = turnOf(call.prompt);
    if (!turn) throw new TypeError('withMemory needs a prompt with a message of the user.');
    const isStored = options.store !== false;
    if (options.threadId === undefined && (isStored || options.userId === undefined)) {
      throw new TypeError('withMemory needs a `threadId`.');
    }
    // The model runs only if its answer can be stored.
    if (isStored) {
      requireFits({ user_message: turn.userText, assistant_message: '', metadata: metadataOf(options, turn, []) });
      if (
        this.#isExchangeStored &&
        options.exchangeId !== undefined &&
        options.exchangeId === this.#options.exchangeId
      ) {
        throw new TypeError('This exchangeId was used: give each turn its own, or wrap the model for each turn.');
      }
    }
    const known = turn.steps[0] && this.#contexts.get(keyOf(options, turn, turn.steps[0].id));
    const context = known ?? (await loadContext(options, turn, call.abortSignal));
    const { providerOptions: _, ...others } = call;
    const prompt = addContext(call.prompt, context);
    const withContext: CallOptions = { ...others, prompt, ...(call.providerOptions && { providerOptions }) };
    return new ModelStep(withContext, options, turn, (reader, isStoredNow) => {
      this.#isExchangeStored ||= isStoredNow;
      this.#recordContext(options, turn, reader, context);
    });
  }

  #recordContext(options: MemoryModelOptions, turn: ModelTurn, reader: StepReader, context: string): void {
    const [first] = reader.stepsAfter(turn.steps);
    if (!reader.isTurnComplete && turn.isFirstStep && first)
      this.#contexts.set(keyOf(options, turn, first.id), context);
    if (reader.isTurnComplete && first) this.#contexts.delete(keyOf(options, turn, first.id));
    for (const key of this.#contexts.keys()) if (this.#contexts.size > MAX_OPEN_TURNS) this.#contexts.delete(key);
  }
}

/** One call of the model in a turn. */
class ModelStep {
  readonly reader = new StepReader();
  readonly call: CallOptions;
  readonly #options: MemoryModelOptions;
  readonly #turn: ModelTurn;
  readonly #onEnd: (reader: StepReader, isStored: boolean) => void;

  constructor(
    call: CallOptions,
    options: MemoryModelOptions,
    turn: ModelTurn,
    onEnd: (reader: StepReader, isStored: boolean) => void,
  ) {
    this.call = call;
    this.#options = options;
    this.#turn = turn;
    this.#onEnd = onEnd;
  }

  /** Returns a stream that passes the answer on, and stores the exchange before the answer's last part. */
  transform(): TransformStream<AnswerPart, AnswerPart> {
    return new TransformStream({
      transform: async (part, controller) => {
        this.reader.add(part);
        if (part.type === 'finish') {
          await this.end().catch((error: unknown) => {
            controller.enqueue({ type: 'error', error } as AnswerPart);
          });
        }
        controller.enqueue(part);
      },
    });
  }

  /** Ends the step, and stores the exchange if the turn has ended. */
  async end(): Promise<void> {
    if (this.call.abortSignal?.aborted === true) return;
    let isStored = false;
    try {
      isStored = await this.#store();
    } catch (error) {
      if (!this.#options.onNotStored) throw error;
      this.#options.onNotStored(error);
    } finally {
      this.#onEnd(this.reader, isStored);
    }
  }

  async #store(): Promise<boolean> {
    const { threadId, store, onStored } = this.#options;
    if (!this.reader.isTurnComplete || store === false || threadId === undefined) return false;
    const stored = await storeTurn(this.#options, threadId, this.#turn, this.reader);
    onStored?.(stored);
    return true;
  }
}

async function loadContext(
  options: MemoryModelOptions,
  turn: ModelTurn,
  abortSignal: AbortSignal | undefined,
): Promise<string> {
  const { threadId, userId, replaces, include = [], history, maxContextTokens, allowDegraded = false } = options;
  const isFromMemory = (history ?? (turn.hasHistory ? 'prompt' : 'memory')) === 'memory';
  const isWhole = isFromMemory && replaces === undefined;
  const known = include.filter((each) => isWhole || each === 'memories');
  const reading = { allowDegraded, signal: abortSignal ?? new AbortController().signal };
  const answer = await postInvoking(
    options,
    {
      thread_id: threadId ?? null,
      user_id: userId ?? null,
      include: [...(isWhole ? (['context'] as const) : (['messages', 'preferences'] as const)), ...known],
      ...(known.length > 0 && { query: turn.userText }),
      ...(maxContextTokens !== undefined && { max_context_tokens: maxContextTokens }),
    },
    reading,
  );
  if (isWhole) return answer.context ?? '';
  let conversation = '';
  if (isFromMemory && replaces !== undefined && threadId !== undefined) {
    conversation = conversationOf(await messagesBefore(options, threadId, replaces, answer.messages ?? [], reading));
  }
  return [conversation, contextWithoutConversation(answer)].filter((part) => part !== '').join('\n\n');
}

/** Returns the messages before an exchange, oldest first; the window if the exchange does not exist. */
async function messagesBefore(
  connection: Connection,
  threadId: string,
  exchangeId: string,
  window: readonly MessageAnswer[],
  reading: { allowDegraded: boolean; signal: AbortSignal },
): Promise<readonly MessageAnswer[]> {
  const index = window.findIndex(({ exchange_id }) => exchange_id === exchangeId);
  if (index >= 0) return window.slice(0, index);
  const before: MessageAnswer[] = [];
  let isFound = false;
  for await (const message of readMessages(connection, threadId, reading)) {
    if (message.exchange_id === exchangeId) isFound = true;
    else if (isFound && before.push(message) >= window.length) break;
  }
  return isFound ? before.reverse() : window;
}

async function storeTurn(
  options: MemoryModelOptions,
  threadId: string,
  turn: ModelTurn,
  reader: StepReader,
): Promise<InvokedAnswer> {
  const steps = reader.stepsAfter(turn.steps);
  const exchange: Exchange = {
    thread_id: threadId,
    user_id: options.userId ?? null,
    exchange_id: options.replaces ?? options.exchangeId ?? newExchangeId(),
    user_message: turn.userText,
    assistant_message: reader.textAfter(turn.texts),
    document_ids: [...(options.documentIds ?? [])],
    metadata: metadataOf(options, turn, steps),
  };
  requireFits(exchange);
  if (options.replaces !== undefined) return replaceExchange(options, exchange);
  try {
    return await storeExchange(options, exchange);
  } catch (error) {
    // The clock of this machine is ahead of the server's. The server sorts another id by its arrival.
    if (options.exchangeId !== undefined || !isIdRejected(error) || !isTimeOrdered(exchange.exchange_id)) throw error;
    return storeExchange(options, { ...exchange, exchange_id: newId() });
  }
}

function metadataOf(
  { metadata }: TurnOptions,
  { files }: ModelTurn,
  steps: readonly unknown[],
): Record<string, unknown> | null {
  const all = {
    ...metadata,
    ...(steps.length > 0 && { steps }),
    ...(files.length > 0 && { ai_sdk: { files } }),
  };
  return Object.keys(all).length > 0 ? all : null;
}

function keyOf({ threadId, userId }: TurnOptions, { userText }: ModelTurn, toolCallId: string): string {
  return JSON.stringify([threadId, userId, userText, toolCallId]);
}
