'use client';
import { useState } from 'react';
import { useAgentChat } from '@hybrid-memory/react';

interface Props {
  api: string;
  userId: string;
  token: () => Promise<string>;
}

export function Chat({ api, userId, token }: Props) {
  const [text, setText] = useState('');
  const chat = useAgentChat({
    baseUrl: api,
    userId,
    headers: async () => ({ Authorization: `Bearer ${await token()}` }),
  });
  return (
    <main>
      {chat.hasMore && <button onClick={() => void chat.loadMore()}>Older messages</button>}
      <ol role="log">
        {chat.messages.map((message) => (
          <li key={message.id}>
            {message.role}: {message.content}
            {message.status === 'pending' && ' …'}
            {message.status === 'failed' && <button onClick={() => void chat.retry(message.id)}>Send again</button>}
          </li>
        ))}
      </ol>
      {chat.error && <p role="alert">{chat.error.detail}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void chat.sendMessage(text);
          setText('');
        }}
      >
        <input
          value={text}
          onChange={(event) => {
            setText(event.target.value);
          }}
        />
        <button>Send</button>
        {chat.status === 'submitted' && (
          <button type="button" onClick={chat.stop}>
            Stop
          </button>
        )}
        <button type="button" onClick={chat.newThread}>
          New conversation
        </button>
      </form>
      {chat.lastContext && <p>Remembered by {chat.lastContext.source}</p>}
    </main>
  );
}
