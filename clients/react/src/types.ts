import type { components } from './api-types.js';
import type { AgentChatError } from './errors.js';
import type { Persist } from './storage.js';

type RunRequest = components['schemas']['RunRequest'];
type MemoryReport = components['schemas']['MemoryReport'];

/** Which layers served and took a turn, and how long the answer took. */
export interface TurnContext {
  /** The layer that served the context. */
  readonly source: MemoryReport['source'];
  /** Layers that were asked and did not answer. */
  readonly degraded: string[];
  /** The store that holds the exchange for good. */
  readonly durability: MemoryReport['durability'];
  /** Whether Redis has the exchange. */
  readonly cached: boolean;
  /** From sending to the answer, measured here, in milliseconds. */
  readonly latencyMs: number;
  /** What parts of it took on the server (`recall`, `agent`, `keep`, …), in milliseconds; empty if that was not told. */
  readonly timings: Readonly<Record<string, number>>;
}

export interface ChatMessage {
  /** The same for the whole life of the message, before and after the server has it: fit for a React key. */
  readonly id: string;
  /** The exchange the message belongs to; a question and its answer have the same. */
  readonly exchangeId: string | null;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  /** ISO 8601. This machine's clock until the history tells the server's. */
  readonly createdAt: string;
  /** `pending` until the answer came, `failed` until it is sent again. */
  readonly status: 'pending' | 'sent' | 'failed';
  /** What `sendMessage` was given with the text; the memory keeps it. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Why it failed. */
  readonly error?: AgentChatError;
  /** Of an answer that came while this page was open. */
  readonly context?: TurnContext;
}

export interface FinishedTurn {
  readonly message?: ChatMessage;
  readonly aborted: boolean;
  readonly error?: AgentChatError;
}

export interface UseAgentChatOptions {
  /** Changing it switches the thread. One is made and remembered if it is left out. */
  readonly threadId?: string | null | undefined;
  /** A hint; a server that checks tokens trusts the token. */
  readonly userId?: string | undefined;
  /** Where the API is, with its stage; the page's own origin if left out. */
  readonly baseUrl?: string | undefined;
  /** For every request; a function is asked each time, so that a token may be renewed. */
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined;
  readonly credentials?: RequestCredentials | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** How long an answer may take, in milliseconds; 60,000 if left out. */
  readonly timeoutMs?: number | undefined;
  /** How often a request is sent again by itself after no answer, 429, 502, 503 or 504; 3 times if left out. */
  readonly retries?: number | undefined;
  /** Where a thread id made here outlives a reload: `session` (the tab, as if left out), `local`, or `false`. */
  readonly persist?: Persist | undefined;
  /** Shown at once, also by a server; the history is united with them. */
  readonly initialMessages?: readonly ChatMessage[] | undefined;
  /** Whether a known thread's messages are loaded; true if left out. */
  readonly loadHistory?: boolean | undefined;
  /** Messages a page, 1 to 200; 50 if left out. */
  readonly pageSize?: number | undefined;
  /** Makes thread ids; UUIDs if left out. */
  readonly generateId?: (() => string) | undefined;
  /** What else every turn asks of `POST /run`. */
  readonly request?: Partial<Pick<RunRequest, 'agent_name' | 'instructions' | 'tools' | 'document_ids'>> | undefined;
  /** Told the thread's id when it was not `threadId` that chose it. */
  readonly onThreadId?: ((threadId: string) => void) | undefined;
  readonly onFinish?: ((turn: FinishedTurn) => void) | undefined;
  /** Not called for what was stopped here. */
  readonly onError?: ((error: AgentChatError) => void) | undefined;
}

/** What is shown of a thread. */
export interface ChatSnapshot {
  /** Null only while rendering on a server and in the first render of a hydration. */
  readonly threadId: string | null;
  readonly userId: string | null;
  readonly messages: ChatMessage[];
  /** `submitted` while a turn is under way or waits for one. */
  readonly status: 'ready' | 'submitted' | 'error';
  /** `idle` while nothing was asked for. */
  readonly historyStatus: 'idle' | 'loading' | 'ready' | 'error';
  /** Layers that did not answer when the history was read: what only they hold is missing. */
  readonly historyDegraded: string[];
  readonly error: AgentChatError | undefined;
  /** Whether `loadMore` would find older messages. */
  readonly hasMore: boolean;
  /** Of the newest answer. */
  readonly lastContext: TurnContext | undefined;
}

export interface OutgoingText {
  readonly text: string;
  /** Kept beside the exchange: any object that is JSON. */
  readonly metadata?: object | undefined;
  /** Attached to the thread with this turn. */
  readonly documentIds?: readonly string[] | undefined;
}

export interface ChatActions {
  readonly clearError: () => void;
  /**
   * Sends a text, after those that wait already. Never rejects: resolves with the answer, or with undefined if there is
   * none, and then the message says why. A text of nothing but space is not sent.
   */
  readonly sendMessage: (
    text: string | OutgoingText,
    options?: { signal?: AbortSignal | undefined },
  ) => Promise<ChatMessage | undefined>;
  /** Stops waiting for answers, here only: the server may still finish, and `refresh` or `retry` shows what it did. */
  readonly stop: () => void;
  /** Sends a failed message again (the newest if none is named), as the same request: the turn cannot double. */
  readonly retry: (messageId?: string) => Promise<void>;
  /** Starts an empty thread and returns its id. */
  readonly newThread: () => string;
  /** Forgets what this device keeps of a thread that was deleted. If it is shown, an empty thread takes its place. */
  readonly forgetThread: (threadId: string) => void;
  /** Loads the page before the oldest loaded message. */
  readonly loadMore: () => Promise<void>;
  /** Asks the server for what it holds now. */
  readonly refresh: () => Promise<void>;
}

export type UseAgentChatResult = ChatSnapshot & ChatActions;
