import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useAgentChat, type FinishedTurn } from '@hybrid-memory/react';
import type { Api } from './api/client.ts';
import { Chat } from './chat/chat.tsx';
import type { FoundExchange } from './hooks/use-found-exchange.ts';
import { useOverview } from './hooks/use-overview.ts';
import { useThreadAddress } from './hooks/use-thread-address.ts';
import { useTurns } from './hooks/use-turns.ts';
import { useVisibleHeight } from './hooks/use-visible-height.ts';
import { Inspector } from './inspector/inspector.tsx';
import { useReceipts } from './story/receipts.ts';
import { StoryContext } from './story/story-context.ts';
import { TopBar, type View } from './top-bar.tsx';
import { useSearchShortcut } from './search/use-search-shortcut.ts';
import { ExportThread } from './threads/export-dialog.tsx';
import { ThreadList } from './threads/thread-list.tsx';
import { titleOf, useDocumentTitle } from './threads/thread-title.ts';
import { useThreads } from './threads/use-threads.ts';

// What the agent got is shown below each answer.
const RUN_FIELDS = { include: ['messages', 'preferences', 'memories', 'related'] } as const;

interface Props {
  api: Api;
  userId: string;
  /** Whether a token names the user. */
  isUserFixed: boolean;
  onUserId: (userId: string) => void;
}

/** Threads, chat and inspector; side by side on a wide screen. */
export function Workspace({ api, userId, isUserFixed, onUserId }: Props) {
  const [address, goTo] = useThreadAddress();
  const { turns, selections, addTurn, markStored } = useTurns();
  const [view, setView] = useState<View>('chat');
  const [found, setFound] = useState<FoundExchange>();
  const searchField = useRef<HTMLInputElement>(null);
  const composer = useRef<HTMLTextAreaElement>(null);
  const [selected, setSelected] = useState<string>();
  const current = useRef<{ threadId: string | null; poll: () => void }>({ threadId: null, poll: () => undefined });

  const chat = useAgentChat({
    threadId: address ?? undefined,
    userId,
    baseUrl: api.baseUrl,
    fetch: api.fetch,
    onThreadId: (id) => goTo(id, address === null ? 'replace' : 'push'),
    onFinish: ({ message }: FinishedTurn) => {
      if (message) addTurn(message, current.current.threadId);
      current.current.poll();
      // The newest message is shown.
      setSelected(undefined);
    },
    request: { include: [...RUN_FIELDS.include] },
  });
  const { threadId, refresh: refreshChat } = chat;

  const isWaiting = [...turns.values()].some(
    (turn) => turn.threadId === threadId && !turn.isStored && turn.durability !== 'none',
  );
  const overview = useOverview(api, userId, threadId, isWaiting);
  const { thread: layers } = overview;
  const firstThreads = { ...overview.threads, error: overview.error ?? overview.threads.error };
  const threads = useThreads(api, userId, firstThreads, threadId);
  const refreshThreads = threads.refresh;
  // The drain adds a new thread to the list, and moves an existing one to the top.
  const stored = layers.data?.postgres.message_count;
  useEffect(() => {
    if (stored !== undefined) refreshThreads();
  }, [stored, refreshThreads]);
  useEffect(() => {
    if (layers.data) markStored(layers.data, layers.requestedAt);
  }, [layers.data, layers.requestedAt, markStored]);
  useEffect(() => {
    current.current = { threadId, poll: layers.refresh };
  }, [threadId, layers.refresh]);
  useEffect(() => setSelected(undefined), [threadId]);
  const receipts = useReceipts(chat.messages, turns, layers);
  const story = useMemo(
    () => ({
      receipts,
      selections,
      selected,
      select: (exchangeId: string) => {
        setSelected(exchangeId);
        setView('memory');
        // On a narrow screen, the focused button is now hidden.
        setTimeout(() => {
          if (document.activeElement === document.body) document.querySelector<HTMLElement>('.story button')?.focus();
        }, 50);
      },
    }),
    [receipts, selections, selected],
  );

  // After a sign-in, load the history that the server rejected before.
  const version = useRef(api.version);
  useEffect(() => {
    if (version.current === api.version) return;
    version.current = api.version;
    void refreshChat();
  }, [api.version, refreshChat]);

  const focusComposer = useCallback(() => {
    setView('chat');
    // Focus in the next frame, because a hidden element cannot take the focus.
    requestAnimationFrame(() => composer.current?.focus());
  }, []);
  const startSearch = useCallback(() => {
    setView('threads');
    requestAnimationFrame(() => searchField.current?.select());
  }, []);
  useSearchShortcut(startSearch);
  useVisibleHeight();
  const select = (id: string): void => {
    if (id !== threadId) goTo(id);
    setFound(undefined);
    focusComposer();
  };
  const open = ({ threadId: id, exchangeId }: FoundExchange): void => {
    if (id !== threadId) goTo(id);
    // The chat moves the focus to the exchange.
    setView('chat');
    setFound({ threadId: id, exchangeId });
  };
  const startThread = (): void => {
    setFound(undefined);
    chat.newThread();
    focusComposer();
  };

  const thread = threads.items?.find((each) => each.thread_id === threadId);
  const title = titleOf(thread, chat.messages);
  useDocumentTitle(title);
  return (
    <div className="workspace" data-view={view}>
      <TopBar userId={userId} isUserFixed={isUserFixed} onUserId={onUserId} view={view} onView={setView} onSearch={startSearch} />
      <StoryContext value={story}>
        <main>
          <ThreadList
            api={api}
            userId={userId}
            threads={threads}
            current={threadId}
            found={found}
            field={searchField}
            onSelect={select}
            onOpen={open}
            onNew={startThread}
          />
          <Chat
            chat={chat}
            thread={thread}
            turns={turns}
            found={found}
            onContinue={() => setFound(undefined)}
            composer={composer}
            threadActions={
              <ExportThread key={threadId ?? ''} api={api} chat={chat} title={title} onDone={() => composer.current?.focus()} />
            }
            onRename={async (title) => {
              if (threadId !== null) threads.put(await api.rename(threadId, title));
              refreshThreads();
            }}
            onDelete={async () => {
              if (threadId !== null) {
                await api.delete(threadId);
                chat.forgetThread(threadId);
                threads.remove(threadId);
              }
              refreshThreads();
              focusComposer();
            }}
            onReload={() => void refreshChat()}
          />
          <Inspector
            api={api}
            userId={userId}
            chat={chat}
            turns={turns}
            overview={overview}
            onOpen={open}
            onShowNewest={() => setSelected(undefined)}
          />
        </main>
      </StoryContext>
    </div>
  );
}
