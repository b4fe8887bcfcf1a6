import type { components } from '#client/api-types.js';
import type { Connection } from '#client/http.js';
import type { AgentChatError } from './errors.js';
import type { Persist } from './storage.js';

type RunRequest = components['schemas']['RunRequest'];
type MemoryReport = components['schemas']['MemoryReport'];

/** The memory report of a turn, with its latency. */
export interface TurnContext {
  /** The layer that provided the context. */
  readonly source: MemoryReport['source'];
  /** Layers that did not respond. */
  readonly degraded: string[];
  /** The store that holds the exchange. */
  readonly durability: MemoryReport['durability'];
  /** Whether Redis has the exchange. */
  readonly cached: boolean;
  /** Milliseconds from sending to the answer, measured in the browser. */
  readonly latencyMs: number;
  /** The durations of `Server-Timing` (`recall`, `agent`, `queue`, `cache`, …) in milliseconds; empty without that header. */
  readonly timings: Readonly<Record<string, number>>;
  /** The memory report as the server sent it. With `include` in the option `request`, its `selection` says what the agent got. */
  readonly report?: MemoryReport;
}

export interface ChatMessage {
  /** Does not change when the server stores the message, so it is usable as a React key. */
  readonly id: string;
  /** The id of the message's exchange. A question and its answer have the same id. */
  readonly exchangeId: string | null;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  /** ISO 8601. The browser's time, until the history returns the server's time. */
  readonly createdAt: string;
  /** Of a question: `pending` until the answer arrives, `failed` until it is sent again. Of an answer: `pending` while it is replaced. */
  readonly status: 'pending' | 'sent' | 'failed';
  /** The metadata given to `sendMessage`; the memory stores it. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** How often the exchange was replaced; absent if never. */
  readonly revision?: number;
  /** Why sending failed. */
  readonly error?: AgentChatError;
  /** The memory report. Only answers that arrived while this page was open have one. */
  readonly context?: TurnContext;
}

export interface FinishedTurn {
  readonly message?: ChatMessage;
  readonly aborted: boolean;
  readonly error?: AgentChatError;
}

export interface UseAgentChatOptions extends Connection {
  /** The thread to show. Without it, the hook creates one and stores its id. */
  readonly threadId?: string | null | undefined;
  /** The user. A server that checks tokens takes the user from the token. */
  readonly userId?: string | undefined;
  /** Where to store a created thread id: `session` (the tab, the default), `local` or `false`. */
  readonly persist?: Persist | undefined;
  /** Messages to show immediately, also in server rendering; merged with the history. */
  readonly initialMessages?: readonly ChatMessage[] | undefined;
  /** Whether to load the history of an existing thread. Default: true. */
  readonly loadHistory?: boolean | undefined;
  /** Messages per page, 1 to 200. Default: 50. */
  readonly pageSize?: number | undefined;
  /** Creates thread ids. Default: UUIDs. */
  readonly generateId?: (() => string) | undefined;
  /** More fields for every `POST /run`. */
  readonly request?:
    Partial<Pick<RunRequest, 'agent_name' | 'instructions' | 'tools' | 'document_ids' | 'include'>> | undefined;
  /** Called with the thread id when the hook has chosen it. */
  readonly onThreadId?: ((threadId: string) => void) | undefined;
  readonly onFinish?: ((turn: FinishedTurn) => void) | undefined;
  /** Not called for turns that the client stopped. */
  readonly onError?: ((error: AgentChatError) => void) | undefined;
}

/** The state of a chat. */
export interface ChatSnapshot {
  /** Null only in server rendering and in the first render of a hydration. */
  readonly threadId: string | null;
  readonly userId: string | null;
  readonly messages: ChatMessage[];
  /** `submitted` while a turn runs or waits. */
  readonly status: 'ready' | 'submitted' | 'error';
  /** `idle` until a request starts. */
  readonly historyStatus: 'idle' | 'loading' | 'ready' | 'error';
  /** Layers that did not respond when the history was loaded; messages may be missing. */
  readonly historyDegraded: string[];
  readonly error: AgentChatError | undefined;
  /** Whether there are older messages to load. */
  readonly hasMore: boolean;
  /** The memory report of the newest answer. */
  readonly lastContext: TurnContext | undefined;
}

export interface OutgoingText {
  readonly text: string;
  /** Any JSON object; stored with the exchange. */
  readonly metadata?: object | undefined;
  /** Documents to attach to the thread. */
  readonly documentIds?: readonly string[] | undefined;
}

export interface ChatActions {
  readonly clearError: () => void;
  /**
   * Sends a text, after the texts that still wait for their answers. Resolves with the answer, or with undefined after a failure; never rejects. The
   * message has the error. Ignores a text of only whitespace.
   */
  readonly sendMessage: (
    text: string | OutgoingText,
    options?: { signal?: AbortSignal | undefined },
  ) => Promise<ChatMessage | undefined>;
  /** Stops waiting for answers. The server may still finish; its answer then appears by itself. */
  readonly stop: () => void;
  /** Sends a failed message again (default: the newest) as the same request, so that the turn runs once. */
  readonly retry: (messageId?: string) => Promise<void>;
  /**
   * Replaces a question, and resolves with the new answer, which replaces the old one. Later messages stay. Until then, and after a failure, the old
   * answer stays. Never rejects.
   */
  readonly edit: (messageId: string, text: string | OutgoingText) => Promise<ChatMessage | undefined>;
  /** Replaces an answer (default: the newest): asks its question again. Takes the id of the question or of the answer. */
  readonly regenerate: (messageId?: string) => Promise<ChatMessage | undefined>;
  /** Removes a failed message, also from the server if it may have arrived. A failed replacement restores the question before it. Never rejects. */
  readonly discard: (messageId: string) => Promise<void>;
  /** Starts an empty thread and returns its id. */
  readonly newThread: () => string;
  /** Removes a deleted thread from this device. If it is shown, an empty thread replaces it. */
  readonly forgetThread: (threadId: string) => void;
  /** Loads the page before the oldest loaded message. */
  readonly loadMore: () => Promise<void>;
  /** Loads the newest messages from the server. */
  readonly refresh: () => Promise<void>;
}

export type UseAgentChatResult = ChatSnapshot & ChatActions;
