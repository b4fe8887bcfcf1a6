import { useAgentChat } from '@hybrid-memory/react';

export function Chat({ apiUrl }: { apiUrl: string }) {
  const { messages, sendMessage } = useAgentChat({ baseUrl: apiUrl, userId: 'ada' });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void sendMessage(new FormData(event.currentTarget).get('text') as string);
      }}
    >
      {messages.map((message) => (
        <p key={message.id}>{`${message.role}: ${message.content}`}</p>
      ))}
      <input name="text" aria-label="Message" />
    </form>
  );
}
