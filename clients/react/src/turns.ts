import { isRefusedId, isSpentKey, postRun, type Ran } from './api.js';
import { AgentChatError, interrupted, stopped, unanswered } from './errors.js';
import type { Host } from './host.js';
import { isTimeOrdered, newestOf, newExchangeId, newId } from './ids.js';
import type { Outgoing, Thread } from './thread.js';
import type { ChatMessage, FinishedTurn, OutgoingText } from './types.js';

/** Later than this, what was interrupted is sent again only by the person: nobody waits for it any more. */
const RESUMED_WITHIN_MS = 10 * 60_000;

type FinishedExchange = readonly [question: ChatMessage, answer: ChatMessage];

/** Sends what is said in a thread, one turn after the other: each has to know the one before it. */
export class Turns {
  readonly #host: Host;
  readonly #share: (thread: Thread, exchange: FinishedExchange) => void;

  /** `share` is told of every exchange that the server answered. */
  constructor(host: Host, share: (thread: Thread, exchange: FinishedExchange) => void) {
    this.#host = host;
    this.#share = share;
  }

  /** Resolves with the answer, or with undefined if there is none; never rejects. */
  async send(thread: Thread, said: OutgoingText, signal?: AbortSignal): Promise<ChatMessage | undefined> {
    const { text, documentIds } = said;
    const metadata = said.metadata && { ...said.metadata };
    const exchangeId = newExchangeId(newestOf(thread.messages.map((message) => message.exchangeId)));
    thread.add({
      id: `${exchangeId}:user`,
      exchangeId,
      role: 'user',
      content: text,
      createdAt: new Date().toISOString(),
      status: 'pending',
      ...(metadata && { metadata }),
    });
    const out = this.#enqueue(thread, exchangeId, {
      ...this.#host.options.request,
      ...(documentIds && { document_ids: [...documentIds] }),
      ...(metadata && { metadata }),
      prompt: text,
      thread_id: thread.id,
      ...(thread.userId !== null && { user_id: thread.userId }),
      exchange_id: exchangeId,
    });
    const abort = (): void => {
      this.#fail(thread, out, stopped());
    };
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    const answer = await out.done;
    signal?.removeEventListener('abort', abort);
    return answer;
  }

  /** Sends a failed message again, as the same request: same key, same body, same exchange. */
  async retry(thread: Thread, messageId?: string): Promise<void> {
    const unsent = thread.messages.filter(({ role, status }) => role === 'user' && status !== 'sent');
    const message =
      messageId === undefined
        ? unsent.findLast(({ status }) => status === 'failed')
        : unsent.find(({ id }) => id === messageId);
    if (!message) return;
    if (message.status === 'pending') await thread.waiting.find((out) => out.exchangeId === message.exchangeId)?.done;
    else await this.#repeat(thread, message)?.done;
  }

  /** Sends again what ended by itself without an answer: the network was lost, or the thread left. */
  resume(thread: Thread): void {
    for (const message of thread.messages) {
      if (message.status !== 'failed' || !thread.unsent.get(message.exchangeId ?? '')?.isLost) continue;
      if (Date.now() - Date.parse(message.createdAt) < RESUMED_WITHIN_MS) this.#repeat(thread, message);
    }
  }

  /** Ends the turn that is under way if the history told its answer: nothing more is to be waited for. */
  settle(thread: Thread): void {
    const { running } = thread;
    if (running && thread.find(`${running.exchangeId}:assistant`)) this.#fail(thread, running, stopped());
  }

  /** Stops waiting for answers. With `silently`, nobody is called back: the thread is left. */
  stop(thread: Thread, silently = false): void {
    const error = silently ? interrupted() : stopped();
    // The last ones first, so that none of them is sent because the one before it ended.
    for (const out of thread.waiting.reverse()) this.#fail(thread, out, error, silently);
  }

  #repeat(thread: Thread, message: ChatMessage): Outgoing | undefined {
    const before = thread.unsent.get(message.exchangeId ?? '');
    if (!before) return undefined;
    thread.update(message, { status: 'pending' });
    return this.#enqueue(thread, before.exchangeId, before.body);
  }

  #enqueue(thread: Thread, exchangeId: string, body: Outgoing['body']): Outgoing {
    let settle: Outgoing['settle'] = () => undefined;
    const done = new Promise<ChatMessage | undefined>((resolve) => (settle = resolve));
    const out: Outgoing = { exchangeId, body, controller: new AbortController(), done, settle };
    thread.unsent.delete(exchangeId);
    thread.queue.push(out);
    thread.clearError();
    this.#next(thread);
    this.#host.emit(thread);
    return out;
  }

  #next(thread: Thread): void {
    if (thread.running) return;
    const out = (thread.running = thread.queue.shift());
    if (out) void this.#deliver(thread, out);
  }

  async #deliver(thread: Thread, out: Outgoing): Promise<void> {
    const began = performance.now();
    try {
      const ran = await postRun(this.#host.options, out.body, out.exchangeId, out.controller.signal);
      this.#finish(thread, out, ran, Math.round(performance.now() - began));
    } catch (error) {
      if (isRefusedId(error) && thread.running === out && isTimeOrdered(out.exchangeId)) {
        this.#rename(thread, out);
        void this.#deliver(thread, out);
        return;
      }
      // Sent again, it is said anew: what it said first was deleted.
      if (isSpentKey(error) && thread.running === out) this.#rename(thread, out);
      this.#fail(thread, out, error instanceof AgentChatError ? error : unanswered(error));
    }
  }

  /** Gives an exchange an id that says nothing of time: nothing is stored under the first one, nor will be. */
  #rename(thread: Thread, out: Outgoing): void {
    const question = thread.find(`${out.exchangeId}:user`);
    out.exchangeId = newId();
    out.body = { ...out.body, exchange_id: out.exchangeId };
    if (question) thread.update(question, { exchangeId: out.exchangeId });
    this.#host.emit(thread);
  }

  #finish(thread: Thread, out: Outgoing, { answer, timings }: Ran, latencyMs: number): void {
    // Stopped or left meanwhile: that was told already.
    if (thread.running !== out) return;
    const { source, degraded, durability, cached } = answer.memory;
    const context = { source, degraded, durability, cached, latencyMs, timings };
    const asked = thread.find(`${out.exchangeId}:user`);
    const question = asked && thread.update(asked, { status: 'sent' });
    const message = thread.answer({
      id: `${out.exchangeId}:assistant`,
      exchangeId: out.exchangeId,
      role: 'assistant',
      content: answer.response,
      createdAt: new Date().toISOString(),
      status: 'sent',
      context,
    });
    thread.lastContext = context;
    this.#end(thread, out, { message, aborted: false });
    if (question) this.#share(thread, [question, message]);
  }

  /** Marks a message as failed, once, and keeps its text. */
  #fail(thread: Thread, out: Outgoing, error: AgentChatError, silently = false): void {
    if (!thread.waiting.includes(out)) return;
    const question = thread.find(`${out.exchangeId}:user`);
    if (question?.status === 'sent') {
      // The history told that the server has the turn; only its answer to us is lost.
      const message = thread.find(`${out.exchangeId}:assistant`);
      this.#end(thread, out, { ...(message && { message }), aborted: false }, silently);
    } else {
      if (question) thread.update(question, { status: 'failed', error });
      const { exchangeId, body } = out;
      const isLost = silently || (error.status === 0 && !error.isAbort);
      thread.unsent.set(exchangeId, { exchangeId, body, isLost });
      thread.error = error;
      thread.sendFailed = !error.isAbort;
      this.#end(thread, out, { aborted: error.isAbort, error }, silently);
    }
    out.controller.abort();
  }

  #end(thread: Thread, out: Outgoing, turn: FinishedTurn, silently = false): void {
    thread.queue = thread.queue.filter((each) => each !== out);
    if (thread.running === out) thread.running = undefined;
    if (!silently) {
      const { error } = turn;
      if (error && !error.isAbort) this.#host.tell(thread, (options) => options.onError?.(error));
      this.#host.tell(thread, (options) => options.onFinish?.(turn));
      this.#next(thread);
    }
    this.#host.emit(thread);
    out.settle(turn.message);
  }
}
