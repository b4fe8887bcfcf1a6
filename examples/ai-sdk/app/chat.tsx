'use client';

import { useChat } from '@ai-sdk/react';
import type { UIMessage } from 'ai';

interface Props {
  /** The id of the conversation's thread. */
  id: string;
  /** The stored messages. */
  messages: UIMessage[];
}

export function Chat({ id, messages }: Props) {
  const chat = useChat({ id, messages });
  return (
    <main>
      <div role="log" aria-label="Conversation">
        {chat.messages.map((message) => (
          <section key={message.id}>
            {message.parts.map((part, index) => {
              if (part.type === 'text') return <p key={index}>{`${message.role}: ${part.text}`}</p>;
              if (part.type === 'tool-currentTime')
                return <p key={index}>{`tool: ${JSON.stringify('output' in part ? part.output : null)}`}</p>;
              return null;
            })}
          </section>
        ))}
      </div>
      {chat.error && <p role="alert">{chat.error.message}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void chat.sendMessage({ text: String(new FormData(event.currentTarget).get('text')) });
          event.currentTarget.reset();
        }}
      >
        <input name="text" aria-label="Message" autoComplete="off" required />
        <button disabled={chat.status !== 'ready'}>Send</button>
      </form>
      <button disabled={chat.status !== 'ready' || chat.messages.length === 0} onClick={() => void chat.regenerate()}>
        Answer again
      </button>
    </main>
  );
}
