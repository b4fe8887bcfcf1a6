import { useState } from 'react';
import type { ChatMessage, ToolStep, UseAgentChatResult } from '@hybrid-memory/react';
import { formatDayAndTime } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { MessageFooter } from '../story/message-footer.tsx';
import { CopyButton } from './copy-button.tsx';
import { EditForm } from './edit-form.tsx';
import { failureText } from './failure-text.ts';
import { Foldable } from './foldable.tsx';
import { Markdown } from './markdown.tsx';
import { ToolSteps } from './tool-steps.tsx';

export type MessageChat = Pick<UseAgentChatResult, 'retry' | 'edit' | 'regenerate' | 'discard'>;

interface Props {
  message: ChatMessage;
  /** The tools that the agent used for an answer. */
  steps: readonly ToolStep[];
  /** The memory report of an answer; undefined if another tab or an earlier visit received the answer. */
  turn: Turn | undefined;
  /** Whether the user has opened the message from the results of a search. */
  isFound: boolean;
  /** Whether the question has an answer, which its replacement replaces. */
  isAnswered: boolean;
  /** Whether the conversation continues after this exchange. */
  hasLater: boolean;
  chat: MessageChat;
  /** Called when the user continues the conversation with an action of this message. */
  onContinue: () => void;
}

/** One message. An answer also shows where its memory came from and where the exchange is stored. */
export function Message(props: Props) {
  const { message, steps, turn, isFound, isAnswered, hasLater, chat, onContinue } = props;
  const { id, role, content, createdAt, status } = message;
  const [isEditing, setIsEditing] = useState(false);
  const isUser = role === 'user';

  const act = (action: () => Promise<unknown>): void => {
    setIsEditing(false);
    void action();
    onContinue();
  };

  return (
    <article
      className="message"
      data-role={role}
      data-status={status}
      data-found={isFound || undefined}
      tabIndex={isFound ? -1 : undefined}
    >
      <header>
        <span className="who">{isUser ? 'You' : 'Agent'}</span>
        <time dateTime={createdAt}>{formatDayAndTime(createdAt, new Date())}</time>
      </header>
      {steps.length > 0 && <ToolSteps steps={steps} />}
      {isEditing ? (
        <EditForm
          content={content}
          hasLater={hasLater}
          onSend={(text) => act(() => chat.edit(id, text))}
          onCancel={() => {
            setIsEditing(false);
            onContinue();
          }}
        />
      ) : (
        content !== '' && (
          <Foldable content={content} isOpen={isFound}>
            {isUser ? (
              <p className="text" dir="auto">
                {content}
              </p>
            ) : (
              <Markdown content={content} />
            )}
          </Foldable>
        )
      )}
      <MessageFooter message={message} turn={turn} />
      {status === 'pending' && (
        <footer className="detail">{isUser ? 'Sending …' : 'The agent is writing a new answer …'}</footer>
      )}
      {status === 'failed' && (
        <footer>
          <span className="detail failed">{failureText(message, isAnswered)}</span>
          <button type="button" className="button small" onClick={() => act(() => chat.retry(id))}>
            Send again
          </button>
          <button type="button" className="button small" onClick={() => act(() => chat.discard(id))}>
            {isAnswered ? 'Keep the old message' : 'Discard'}
          </button>
        </footer>
      )}
      {status !== 'pending' && !isEditing && content !== '' && (
        <div className="message-actions">
          <CopyButton label="Copy" text={() => content} />
          {isUser && (
            <button type="button" className="link" onClick={() => setIsEditing(true)}>
              Edit
            </button>
          )}
          {!isUser && message.exchangeId !== null && (
            <button type="button" className="link" onClick={() => act(() => chat.regenerate(id))}>
              Try again
            </button>
          )}
        </div>
      )}
    </article>
  );
}
