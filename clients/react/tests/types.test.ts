import { expectTypeOf, test } from 'vitest';
import type {
  AgentChatError,
  ChatMessage,
  FinishedTurn,
  UseAgentChatOptions,
  UseAgentChatResult,
} from '../src/index.js';

/** The documented result. Code that uses this type must compile. */
interface DocumentedResult {
  threadId: string | null;
  userId: string | null;
  messages: ChatMessage[];
  status: 'ready' | 'submitted' | 'error';
  historyStatus: 'idle' | 'loading' | 'ready' | 'error';
  error?: AgentChatError | undefined;
  clearError(): void;
  sendMessage(
    text: string | { text: string; metadata?: object },
    options?: { signal?: AbortSignal },
  ): Promise<ChatMessage | undefined>;
  stop(): void;
  retry(messageId?: string): Promise<void>;
  newThread(): string;
  forgetThread(threadId: string): void;
  loadMore(): Promise<void>;
  hasMore: boolean;
  refresh(): Promise<void>;
  lastContext?: { source: 'redis' | 'postgres' | 'none'; degraded: string[]; durability: string } | undefined;
}

interface DocumentedOptions {
  threadId?: string | null;
  userId?: string;
  baseUrl?: string;
  headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
  credentials?: RequestCredentials;
  fetch?: typeof fetch;
  persist?: 'session' | 'local' | false;
  initialMessages?: ChatMessage[];
  loadHistory?: boolean;
  pageSize?: number;
  generateId?: () => string;
  onThreadId?(id: string): void;
  onFinish?(turn: { message?: ChatMessage; aborted: boolean; error?: AgentChatError }): void;
  onError?(error: AgentChatError): void;
}

interface Location {
  city: string;
}

test('the result has the documented type, with mutable arrays', () => {
  expectTypeOf<UseAgentChatResult>().toExtend<DocumentedResult>();
  expectTypeOf<UseAgentChatResult['messages']>().toEqualTypeOf<ChatMessage[]>();
  expectTypeOf<NonNullable<UseAgentChatResult['lastContext']>['degraded']>().toEqualTypeOf<string[]>();
});

test('the options accept the documented type', () => {
  expectTypeOf<DocumentedOptions>().toExtend<UseAgentChatOptions>();
  expectTypeOf<(turn: { message?: ChatMessage; error?: AgentChatError }) => void>().toBeCallableWith(
    {} as FinishedTurn,
  );
});

test('metadata may be of an interface type', () => {
  expectTypeOf<UseAgentChatResult['sendMessage']>().toBeCallableWith({ text: 'Hello', metadata: {} as Location });
});
