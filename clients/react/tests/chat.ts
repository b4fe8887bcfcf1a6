import { act, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { useAgentChat, type ChatMessage, type UseAgentChatOptions, type UseAgentChatResult } from '../src/index.js';
import { API } from './server.js';

export interface Chat {
  readonly now: UseAgentChatResult;
  /** Every render's result, the first one first. */
  readonly renders: UseAgentChatResult[];
  set(options: UseAgentChatOptions): void;
  /** Calls an action and lets what follows at once settle. */
  do<T>(action: (chat: UseAgentChatResult) => T): T;
  /** Sends, and waits for the answer. */
  say(text: string): Promise<ChatMessage | undefined>;
  until(holds: (chat: UseAgentChatResult) => boolean): Promise<void>;
  readonly texts: string[];
  unmount(): void;
}

/** Renders the hook. A request that fails is not sent again by itself, unless the options say so. */
export function chat(options: UseAgentChatOptions = {}, wrapper?: (props: { children: ReactNode }) => ReactNode): Chat {
  const renders: UseAgentChatResult[] = [];
  const { result, rerender, unmount } = renderHook(
    (props: UseAgentChatOptions) => {
      const shown = useAgentChat({ baseUrl: API, retries: 0, ...props });
      renders.push(shown);
      return shown;
    },
    { initialProps: options, ...(wrapper && { wrapper }) },
  );
  return {
    get now() {
      return result.current;
    },
    renders,
    set(next) {
      rerender(next);
    },
    do(action) {
      let returned: unknown;
      act(() => {
        returned = action(result.current);
      });
      return returned as ReturnType<typeof action>;
    },
    async say(text) {
      let answer: ChatMessage | undefined;
      await act(async () => {
        answer = await result.current.sendMessage(text);
      });
      return answer;
    },
    async until(holds) {
      await waitFor(
        () => {
          if (!holds(result.current)) throw new Error(`not yet: ${JSON.stringify(result.current, null, 1)}`);
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

/** Refreshes, and waits until that is done. */
export async function refreshed(shown: Chat): Promise<void> {
  await act(() => shown.now.refresh());
}
