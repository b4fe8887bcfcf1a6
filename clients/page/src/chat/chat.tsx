import { useEffect, useRef, useState, type RefObject } from 'react';
import type { UseAgentChatResult } from '@hybrid-memory/react';
import type { ThreadItem } from '../api/client.ts';
import { useFoundExchange, type FoundExchange, type FoundState } from '../hooks/use-found-exchange.ts';
import { useScrollAnchor } from '../hooks/use-scroll-anchor.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { notRespondingText, memorySourceText } from '../parts/badge.tsx';
import { formatMilliseconds } from '../format.ts';
import { Composer } from './composer.tsx';
import { Message } from './message.tsx';
import { ThreadHeader } from './thread-header.tsx';

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
  onRename: (title: string) => Promise<void>;
  onDelete: () => Promise<void>;
  /** Loads the history again. */
  onReload: () => void;
}

/** The conversation and the composer. */
export function Chat(props: Props) {
  const { chat, thread, turns, found, composer, onContinue, onRename, onDelete, onReload } = props;
  const { messages, historyStatus, hasMore, error, status } = chat;
  const log = useRef<HTMLDivElement>(null);
  const last = messages.at(-1);
  const prepareLoadMore = useScrollAnchor(log, chat.threadId, messages[0]?.id, hasMore);
  const isAtFound = found !== undefined && found.threadId === chat.threadId;
  useEffect(() => {
    const box = log.current;
    if (box && !isAtFound) box.scrollTop = box.scrollHeight;
  }, [last?.id, last?.status, chat.threadId, isAtFound]);
  const foundState = useFoundExchange(chat, found, log);

  const isLoading = historyStatus === 'loading' && messages.length === 0;
  return (
    <section className="chat" aria-label="Chat">
      <ThreadHeader
        key={chat.threadId ?? ''}
        threadId={chat.threadId}
        title={thread?.title ?? messages.find(({ role }) => role === 'user')?.content ?? 'New thread'}
        isStored={messages.some((message) => message.status === 'sent')}
        isBusy={status === 'submitted'}
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
        {!isLoading && messages.length === 0 && <Welcome />}
        {messages.map((message) => (
          <Message
            key={message.id}
            message={message}
            turn={message.role === 'assistant' ? turns.get(message.exchangeId ?? '') : undefined}
            isFound={isAtFound && message.exchangeId === found.exchangeId}
            onRetry={() => {
              onContinue();
              void chat.retry(message.id);
              composer.current?.focus();
            }}
          />
        ))}
        {status === 'submitted' && (
          // The status line announces this to screen readers.
          <p className="waiting" aria-hidden="true">
            The agent is answering …
          </p>
        )}
      </div>
      {foundState !== undefined && foundState !== 'shown' && <p className="note">{FOUND_TEXTS[foundState]}</p>}
      {chat.historyDegraded.length > 0 && (
        <p className="note">
          {notRespondingText(chat.historyDegraded)}, so some messages may be missing here.
        </p>
      )}
      {error && !error.isAbort && (
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
        onSend={(text) => {
          onContinue();
          void chat.sendMessage(text);
        }}
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

function Welcome() {
  return (
    <div className="welcome">
      <p>Tell the agent something about you, then ask about it.</p>
      <p className="hint">
        Each answer shows where its memory came from. This demo agent runs offline and answers only from what it remembers.
      </p>
    </div>
  );
}

/** The status for screen readers. The conversation itself is a log. */
function StatusLine({ chat, turns }: Pick<Props, 'chat' | 'turns'>) {
  const { status, historyStatus, messages } = chat;
  const [text, setText] = useState('');
  const answer = messages.findLast(({ role, context }) => role === 'assistant' && context !== undefined);
  const turn = turns.get(answer?.exchangeId ?? '');
  const last = messages.at(-1);

  let announcement = '';
  if (status === 'submitted') announcement = 'Sent. The agent is answering.';
  else if (last?.status === 'failed') announcement = 'Not sent. You can send the message again.';
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
