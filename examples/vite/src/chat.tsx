import { useAgentChat } from '@hybrid-memory/react';

interface Props {
  api: string;
  userId: string;
  /** Renews the token if it has expired. */
  token: () => Promise<string | null>;
}

export function Chat({ api, userId, token }: Props) {
  const chat = useAgentChat({
    baseUrl: api,
    userId,
    persist: 'local',
    headers: async (): Promise<Record<string, string>> => {
      const value = await token();
      return value === null ? {} : { Authorization: `Bearer ${value}` };
    },
  });
  return (
    <main>
      <div role="log" aria-label="Conversation">
        {chat.messages.map((message) => (
          <p key={message.id}>
            {message.role}: {message.content}
            {message.status === 'failed' && <button onClick={() => void chat.retry(message.id)}>Send again</button>}
          </p>
        ))}
      </div>
      {chat.error && <p role="alert">{chat.error.detail}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void chat.sendMessage(String(new FormData(event.currentTarget).get('text')));
          event.currentTarget.reset();
        }}
      >
        <input name="text" aria-label="Message" autoComplete="off" required />
        <button>Send</button>
      </form>
    </main>
  );
}
