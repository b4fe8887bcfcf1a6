import { useEffect, useRef, useState, type ReactNode, type RefObject } from 'react';
import { toolStepsOf, type ChatMessage, type UseAgentChatResult } from '@hybrid-memory/react';
import type { ThreadItem } from '../api/client.ts';
import { useFoundExchange, type FoundExchange, type FoundState } from '../hooks/use-found-exchange.ts';
import { useFollow } from '../hooks/use-follow.ts';
import { useOnline } from '../hooks/use-online.ts';
import { useScrollAnchor } from '../hooks/use-scroll-anchor.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { notRespondingText, memorySourceText } from '../parts/badge.tsx';
import { formatMilliseconds } from '../format.ts';
import { titleOf } from '../threads/thread-title.ts';
import { Composer } from './composer.tsx';
import { failureText } from './failure-text.ts';
import { Message } from './message.tsx';
import { ThreadHeader } from './thread-header.tsx';
import { Waiting } from './waiting.tsx';
import { Welcome } from './welcome.tsx';

interface Props {
  chat: UseAgentChatResult;
  /** Undefined until the drain has stored the thread. */
  thread: ThreadItem | undefined;
  turns: ReadonlyMap<string, Turn>;
  /** The exchange that the user has opened from the results of a search. */
  found: FoundExchange | undefined;
  /** Called when the user continues the conversation. */
  onContinue: () => void;
  composer: RefObject<HTMLTextAreaElement | null>;
  /** Further buttons of the thread. */
  threadActions: ReactNode;
  onRename: (title: string) => Promise<void>;
  onDelete: () => Promise<void>;
  /** Loads the history again. */
  onReload: () => void;
}

/** The conversation and the composer. */
export function Chat(props: Props) {
  const { chat, thread, turns, found, composer, threadActions, onContinue, onRename, onDelete, onReload } = props;
  const { messages, historyStatus, hasMore, error, status } = chat;
  const log = useRef<HTMLDivElement>(null);
  const isOnline = useOnline();
  const prepareLoadMore = useScrollAnchor(log, chat.threadId, messages[0]?.id, hasMore);
  const isAtFound = found !== undefined && found.threadId === chat.threadId;
  const { hasNew, showNewest } = useFollow(log, chat.threadId, messages, isAtFound);
  const foundState = useFoundExchange(chat, found, log);

  const isLoading = historyStatus === 'loading' && messages.length === 0;
  const running = messages.find((message) => message.role === 'user' && message.status === 'pending');
  const steps = new Map(messages.map((message) => [message.exchangeId ?? '', toolStepsOf(message)] as const).reverse());
  const send = (text: string): void => {
    onContinue();
    void chat.sendMessage(text);
    composer.current?.focus();
  };
  const onAction = (): void => {
    onContinue();
    composer.current?.focus();
  };
  return (
    <section className="chat" aria-label="Chat">
      <ThreadHeader
        key={chat.threadId ?? ''}
        title={titleOf(thread, messages)}
        isStored={messages.some((message) => message.status === 'sent')}
        isBusy={status === 'submitted'}
        actions={threadActions}
        onRename={onRename}
        onDelete={onDelete}
        onDone={() => composer.current?.focus()}
      />
      <div className="log" role="log" aria-label="Conversation" aria-busy={isLoading} tabIndex={0} ref={log}>
        {hasMore && (
          <button
            type="button"
            className="button more"
            onClick={() => {
              prepareLoadMore();
              void chat.loadMore();
            }}
          >
            Earlier messages
          </button>
        )}
        {isLoading && <p className="hint loading">Loading the conversation …</p>}
        {/* A history that cannot be loaded is not an empty one: the alert says so. */}
        {!isLoading && messages.length === 0 && historyStatus !== 'error' && <Welcome onSend={send} />}
        {messages.map((message, index) => {
          const { id, role, exchangeId, content } = message;
          // An agent framework stores steps without texts. The answer of the exchange shows them.
          const messageSteps = role === 'assistant' ? (steps.get(exchangeId ?? '') ?? []) : [];
          if (content === '' && messageSteps.length === 0) return null;
          const isOther = (other: ChatMessage | undefined): boolean => other?.exchangeId !== exchangeId;
          return (
            <Message
              key={id}
              message={message}
              steps={messageSteps}
              turn={role === 'assistant' ? turns.get(exchangeId ?? '') : undefined}
              isFound={isAtFound && exchangeId === found.exchangeId}
              isAnswered={role === 'user' && messages[index + 1]?.exchangeId === exchangeId && exchangeId !== null}
              hasLater={messages.slice(index + 1).some(isOther)}
              chat={chat}
              onContinue={onAction}
            />
          );
        })}
        {running && <Waiting key={running.id} />}
      </div>
      {hasNew && (
        <button type="button" className="button new-messages" onClick={showNewest}>
          New messages
        </button>
      )}
      {!isOnline && (
        <p className="note">You are offline. Your messages stay here, and are sent when you are back.</p>
      )}
      {foundState !== undefined && foundState !== 'shown' && <p className="note">{FOUND_TEXTS[foundState]}</p>}
      {chat.historyDegraded.length > 0 && (
        <p className="note">
          {notRespondingText(chat.historyDegraded)}, so some messages may be missing here.
        </p>
      )}
      {error && !error.isAbort && (isOnline || error.status > 0) && (
        <div role="alert" className="alert">
          <p>
            {error.status > 0 && <strong>{error.title}. </strong>}
            {error.detail}
            {error.requestId !== undefined && <span className="hint"> Request {error.requestId}</span>}
          </p>
          <span className="actions">
            {historyStatus === 'error' && (
              <button type="button" className="button" onClick={onReload}>
                Load again
              </button>
            )}
            <button
              type="button"
              className="button"
              onClick={() => {
                chat.clearError();
                composer.current?.focus();
              }}
            >
              Dismiss
            </button>
          </span>
        </div>
      )}
      <Composer
        isBusy={status === 'submitted'}
        field={composer}
        draftName={JSON.stringify([chat.userId, chat.threadId])}
        onSend={send}
        onStop={() => {
          chat.stop();
          composer.current?.focus();
        }}
      />
      <StatusLine chat={chat} turns={turns} />
    </section>
  );
}

const FOUND_TEXTS: Record<Exclude<FoundState, 'shown'>, string> = {
  loading: 'Loading the conversation back to the found message …',
  missing: 'The found message is no longer in this conversation.',
  distant: 'The found message is further back than this page loads. “Earlier messages” loads more.',
};


/** The status for screen readers. The conversation itself is a log. */
function StatusLine({ chat, turns }: Pick<Props, 'chat' | 'turns'>) {
  const { status, historyStatus, messages } = chat;
  const [text, setText] = useState('');
  const answer = messages.findLast(({ role, context }) => role === 'assistant' && context !== undefined);
  const turn = turns.get(answer?.exchangeId ?? '');
  const last = messages.at(-1);
  const failed = messages.findLast((message) => message.role === 'user');
  const isOnline = useOnline();

  let announcement = '';
  if (status === 'submitted') announcement = 'Sent. The agent is answering.';
  else if (!isOnline) announcement = 'You are offline.';
  else if (failed?.status === 'failed') announcement = failureText(failed, failed !== last);
  else if (historyStatus === 'loading') announcement = 'Loading the conversation.';
  else if (turn && last === answer)
    announcement = `Answered in ${formatMilliseconds(turn.latencyMs)}. Memory: ${memorySourceText(turn)}.`;
  // Set in an effect: screen readers do not announce the initial content of a live region.
  useEffect(() => setText(announcement), [announcement]);
  return (
    <p role="status" className="visually-hidden">
      {text}
    </p>
  );
}
