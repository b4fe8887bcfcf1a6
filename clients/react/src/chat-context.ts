import type { Thread } from './thread.js';
import type { UseAgentChatOptions } from './types.js';

/** The part of the store that sending and reading use. */
export interface ChatContext {
  /** The options of the newest render. */
  readonly options: UseAgentChatOptions;
  /** Publishes a change to React. */
  emit(thread: Thread): void;
  /** Calls a callback of the options, unless the thread is no longer shown. */
  notify(thread: Thread, callback: (options: UseAgentChatOptions) => void): void;
}
