import { deleteExchange, isIdRejected, isKeyOfDeleted, isMissing, postRun, type RunResult } from './api.js';
import type { ChatContext } from './chat-context.js';
import type { Unsent } from './cache.js';
import { AgentChatError, interruptedError, noResponseError, notStoredError, stoppedError } from './errors.js';
import { isTimeOrdered, newestOf, newExchangeId, newId } from '#client/ids.js';
import { revisionOf } from './merge.js';
import { metadataToKeep } from './metadata.js';
import type { Thread, TurnRequest } from './thread.js';
import type { ChatMessage, FinishedTurn, OutgoingText } from './types.js';

/** How long an interrupted turn is resent automatically. Later only `retry` resends it. */
const RESUME_WITHIN_MS = 10 * 60_000;

type FinishedExchange = readonly ChatMessage[];

/** A request to send, which is not yet in the queue. */
type OutgoingTurn = Pick<Unsent, 'exchangeId' | 'body' | 'key' | 'original'>;

/** Sends the turns of a thread one after the other, because each turn needs the answer of the one before it. */
export class Turns {
  readonly #context: ChatContext;
  readonly #share: (thread: Thread, exchange: FinishedExchange) => void;

  /** Calls `share` with every finished exchange. */
  constructor(context: ChatContext, share: (thread: Thread, exchange: FinishedExchange) => void) {
    this.#context = context;
    this.#share = share;
  }

  /** Resolves with the answer; with undefined after a failure. Never rejects. */
  async send(thread: Thread, message: OutgoingText, signal?: AbortSignal): Promise<ChatMessage | undefined> {
    const { text, documentIds } = message;
    const metadata = message.metadata && { ...message.metadata };
    const exchangeId = newExchangeId(newestOf(thread.messages.map((each) => each.exchangeId)));
    thread.add({
      id: `${exchangeId}:user`,
      exchangeId,
      role: 'user',
      content: text,
      createdAt: new Date().toISOString(),
      status: 'pending',
      ...(metadata && { metadata }),
    });
    const body = { ...this.#bodyOf(thread, { text, metadata, documentIds }), exchange_id: exchangeId };
    const request = this.#enqueue(thread, { exchangeId, body });
    const abort = (): void => {
      this.#fail(thread, request, stoppedError());
    };
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    const answer = await request.done;
    signal?.removeEventListener('abort', abort);
    return answer;
  }

  /**
   * Replaces a question and its answer, by default the newest. Without a message, asks the same question again.
   *
   * Resolves with the answer; with undefined after a failure. Never rejects.
   */
  async replace(thread: Thread, messageId?: string, message?: OutgoingText): Promise<ChatMessage | undefined> {
    const shown =
      messageId === undefined
        ? thread.messages.findLast(({ role, exchangeId }) => role === 'assistant' && exchangeId !== null)
        : thread.messages.find(({ id }) => id === messageId);
    const exchangeId = shown?.exchangeId ?? undefined;
    const question = exchangeId === undefined ? undefined : thread.find(`${exchangeId}:user`);
    if (exchangeId === undefined || !question || question.status === 'pending') return undefined;
    const metadata = message?.metadata ? { ...message.metadata } : metadataToKeep(question.metadata);
    const text = message?.text ?? question.content;
    const body = { ...this.#bodyOf(thread, { ...message, text, metadata }), replaces: exchangeId };
    const before = thread.unsent.get(exchangeId);
    // The server may have a failed message. If not, its replacement becomes a new exchange.
    const original = question.status === 'failed' ? before?.original : thread.exchange(exchangeId);
    const { metadata: _, error: __, ...rest } = question;
    thread.restore({ ...rest, content: text, status: 'pending', ...(metadata && { metadata }) });
    return this.#enqueue(thread, { exchangeId, body, key: newId(), original }).done;
  }

  /** Removes a failed message, or restores the exchange before its failed replacement. Never rejects. */
  async discard(thread: Thread, messageId: string): Promise<void> {
    const message = thread.messages.find(({ id, role, status }) => {
      return id === messageId && role === 'user' && status === 'failed';
    });
    if (!message) return;
    const { exchangeId, error } = message;
    const original = thread.unsent.get(exchangeId ?? '')?.original;
    thread.unsent.delete(exchangeId ?? '');
    if (original) for (const each of original) thread.restore(each);
    else thread.remove(message);
    if (thread.error === error) thread.clearError();
    this.#context.emit(thread);
    if (original || exchangeId === null || !error?.mayHaveArrived) return;
    try {
      await deleteExchange(this.#context.options, thread.id, exchangeId, new AbortController().signal);
      this.#share(thread, []);
    } catch (caught) {
      const { status, detail } = caught instanceof AgentChatError ? caught : noResponseError(caught);
      const message = `The message is removed here. If the server has received it, it appears again. ${detail}`;
      const failure = new AgentChatError({ status, title: 'Not deleted', detail: message, cause: caught });
      thread.error = failure;
      this.#context.notify(thread, (options) => options.onError?.(failure));
      this.#context.emit(thread);
    }
  }

  #bodyOf(thread: Thread, { text, metadata, documentIds }: OutgoingText): TurnRequest['body'] {
    return {
      ...this.#context.options.request,
      ...(documentIds && { document_ids: [...documentIds] }),
      ...(metadata && { metadata: { ...metadata } }),
      prompt: text,
      thread_id: thread.id,
      ...(thread.userId !== null && { user_id: thread.userId }),
    };
  }

  /** Sends a failed message again, as the same request: same key, same body, same exchange. */
  async retry(thread: Thread, messageId?: string): Promise<void> {
    const unsent = thread.messages.filter(({ role, status }) => role === 'user' && status !== 'sent');
    const message =
      messageId === undefined
        ? unsent.findLast(({ status }) => status === 'failed')
        : unsent.find(({ id }) => id === messageId);
    if (!message) return;
    const { exchangeId } = message;
    if (message.status === 'pending') await thread.waiting.find((each) => each.exchangeId === exchangeId)?.done;
    else await this.#repeat(thread, message)?.done;
  }

  /** Resends the turns that were interrupted: the network was lost, or the user left the thread. */
  resume(thread: Thread): void {
    for (const message of thread.messages) {
      if (message.status !== 'failed' || !thread.unsent.get(message.exchangeId ?? '')?.isInterrupted) continue;
      if (Date.now() - Date.parse(message.createdAt) < RESUME_WITHIN_MS) this.#repeat(thread, message);
    }
  }

  /** Ends the running turn if the history already has its answer. */
  finishIfAnswered(thread: Thread): void {
    const { running } = thread;
    if (running && thread.find(`${running.exchangeId}:assistant`)?.status === 'sent')
      this.#fail(thread, running, stoppedError());
  }

  /** Stops waiting for answers. With `silently`, calls no callbacks, because the user left the thread. */
  stop(thread: Thread, silently = false): void {
    const error = silently ? interruptedError() : stoppedError();
    // Start with the newest turn, because ending a turn starts the next one in the queue.
    for (const request of thread.waiting.reverse()) this.#fail(thread, request, error, silently);
  }

  #repeat(thread: Thread, message: ChatMessage): TurnRequest | undefined {
    const before = thread.unsent.get(message.exchangeId ?? '');
    if (!before) return undefined;
    thread.update(message, { status: 'pending' });
    return this.#enqueue(thread, before);
  }

  #enqueue(thread: Thread, { exchangeId, body, key = exchangeId, original }: OutgoingTurn): TurnRequest {
    let settle: TurnRequest['settle'] = () => undefined;
    const done = new Promise<ChatMessage | undefined>((resolve) => (settle = resolve));
    const request: TurnRequest = { exchangeId, body, key, original, controller: new AbortController(), done, settle };
    thread.unsent.delete(exchangeId);
    const replaced = original && thread.find(`${exchangeId}:assistant`);
    if (replaced) thread.update(replaced, { status: 'pending' });
    thread.queue.push(request);
    thread.clearError();
    this.#next(thread);
    this.#context.emit(thread);
    return request;
  }

  #next(thread: Thread): void {
    if (thread.running) return;
    const request = (thread.running = thread.queue.shift());
    if (request) void this.#deliver(thread, request);
  }

  async #deliver(thread: Thread, request: TurnRequest): Promise<void> {
    const startedAt = performance.now();
    try {
      const result = await postRun(this.#context.options, request.body, request.key, request.controller.signal);
      if (request.body.replaces && result.answer.memory.durability === 'none') throw notStoredError();
      this.#finish(thread, request, result, Math.round(performance.now() - startedAt));
    } catch (error) {
      const isRunning = thread.running === request;
      const isUnknown = request.body.replaces
        ? isMissing(error)
        : isTimeOrdered(request.exchangeId) && isIdRejected(error);
      if (isRunning && isUnknown) {
        this.#replaceId(thread, request);
        void this.#deliver(thread, request);
        return;
      }
      // The first exchange was deleted, so a retry needs a new id.
      if (isRunning && isKeyOfDeleted(error)) this.#replaceId(thread, request);
      this.#fail(thread, request, error instanceof AgentChatError ? error : noResponseError(error));
    }
  }

  /** Makes the request a new exchange with a UUIDv4, because the server stores nothing under the first id. */
  #replaceId(thread: Thread, request: TurnRequest): void {
    const question = thread.find(`${request.exchangeId}:user`);
    // The exchange to replace does not exist, so its answer has no question any more.
    const answer = request.body.replaces ? thread.find(`${request.exchangeId}:assistant`) : undefined;
    if (answer) thread.remove(answer);
    request.original = undefined;
    request.key = request.exchangeId = newId();
    const { replaces: _, ...body } = request.body;
    request.body = { ...body, exchange_id: request.exchangeId };
    if (question) thread.update(question, { exchangeId: request.exchangeId });
    this.#context.emit(thread);
  }

  #finish(thread: Thread, request: TurnRequest, { answer, timings }: RunResult, latencyMs: number): void {
    // The turn was stopped before the response arrived, and its callbacks have run.
    if (thread.running !== request) return;
    const { source, degraded, durability, cached } = answer.memory;
    const context = { source, degraded, durability, cached, latencyMs, timings, report: answer.memory };
    const sent = thread.find(`${request.exchangeId}:user`);
    const revision = request.body.replaces ? Math.max(0, ...(request.original ?? []).map(revisionOf)) + 1 : undefined;
    const question = sent && thread.update(sent, { status: 'sent', ...(revision && { revision }) });
    const message = thread.answer({
      id: `${request.exchangeId}:assistant`,
      exchangeId: request.exchangeId,
      role: 'assistant',
      content: answer.response,
      createdAt: new Date().toISOString(),
      status: 'sent',
      context,
      ...(revision && { revision }),
    });
    thread.lastContext = context;
    this.#end(thread, request, { message, aborted: false });
    if (question) this.#share(thread, [question, message]);
  }

  /** Marks a message as failed and keeps its text. */
  #fail(thread: Thread, request: TurnRequest, error: AgentChatError, silently = false): void {
    if (!thread.waiting.includes(request)) return;
    const question = thread.find(`${request.exchangeId}:user`);
    if (question?.status === 'sent') {
      // The history shows that the server has the turn. Only the response was lost.
      const message = thread.find(`${request.exchangeId}:assistant`);
      this.#end(thread, request, { ...(message && { message }), aborted: false }, silently);
    } else {
      if (question) thread.update(question, { status: 'failed', error });
      const { exchangeId, body, key, original } = request;
      const answer = thread.find(`${exchangeId}:assistant`);
      // The answer that the failed request would have replaced still stands.
      if (answer?.status === 'pending') thread.update(answer, { status: 'sent' });
      const isInterrupted = silently || (error.status === 0 && !error.isAbort);
      thread.unsent.set(exchangeId, { exchangeId, body, key, original, isInterrupted });
      thread.error = error;
      thread.sendFailed = !error.isAbort;
      this.#end(thread, request, { aborted: error.isAbort, error }, silently);
    }
    request.controller.abort();
  }

  #end(thread: Thread, request: TurnRequest, turn: FinishedTurn, silently = false): void {
    thread.queue = thread.queue.filter((each) => each !== request);
    if (thread.running === request) thread.running = undefined;
    if (!silently) {
      const { error } = turn;
      if (error && !error.isAbort) this.#context.notify(thread, (options) => options.onError?.(error));
      this.#context.notify(thread, (options) => options.onFinish?.(turn));
      this.#next(thread);
    }
    this.#context.emit(thread);
    request.settle(turn.message);
  }
}
