import type { Thread } from './thread.js';
import type { UseAgentChatOptions } from './types.js';

/** What sending and reading need of the store around them. */
export interface Host {
  /** Those of the newest render. */
  readonly options: UseAgentChatOptions;
  /** Has what is shown brought up to date. */
  emit(thread: Thread): void;
  /** Calls back whoever gave the options, unless the thread is no longer shown. */
  tell(thread: Thread, what: (options: UseAgentChatOptions) => void): void;
}
