import { act, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { useAgentChat, type ChatMessage, type UseAgentChatOptions, type UseAgentChatResult } from '../src/index.js';
import { API } from './server.js';

/** A rendered hook. */
export interface RenderedChat {
  /** The result of the newest render. */
  readonly current: UseAgentChatResult;
  /** The results of all renders, oldest first. */
  readonly renders: UseAgentChatResult[];
  rerender(options: UseAgentChatOptions): void;
  /** Calls an action, and applies the updates that it causes. */
  act<T>(action: (chat: UseAgentChatResult) => T): T;
  /** Sends a message, and waits for the answer. */
  send(text: string): Promise<ChatMessage | undefined>;
  waitUntil(condition: (chat: UseAgentChatResult) => boolean): Promise<void>;
  /** The contents of the messages. */
  readonly texts: string[];
  unmount(): void;
}

/** Renders the hook. By default, the hook does not retry requests. */
export function renderChat(
  options: UseAgentChatOptions = {},
  wrapper?: (props: { children: ReactNode }) => ReactNode,
): RenderedChat {
  const renders: UseAgentChatResult[] = [];
  const { result, rerender, unmount } = renderHook(
    (props: UseAgentChatOptions) => {
      const chat = useAgentChat({ baseUrl: API, retries: 0, ...props });
      renders.push(chat);
      return chat;
    },
    { initialProps: options, ...(wrapper && { wrapper }) },
  );
  return {
    get current() {
      return result.current;
    },
    renders,
    rerender,
    act(action) {
      let returned: unknown;
      act(() => {
        returned = action(result.current);
      });
      return returned as ReturnType<typeof action>;
    },
    async send(text) {
      let answer: ChatMessage | undefined;
      await act(async () => {
        answer = await result.current.sendMessage(text);
      });
      return answer;
    },
    async waitUntil(condition) {
      await waitFor(
        () => {
          if (!condition(result.current)) throw new Error(`not yet: ${JSON.stringify(result.current, null, 1)}`);
        },
        { timeout: 10_000 },
      );
    },
    get texts() {
      return result.current.messages.map(({ content }) => content);
    },
    unmount,
  };
}

/** Refreshes the chat, and waits for the end of the refresh. */
export async function refreshChat(chat: RenderedChat): Promise<void> {
  await act(() => chat.current.refresh());
}
