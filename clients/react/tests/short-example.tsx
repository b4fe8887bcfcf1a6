import { useAgentChat } from '@hybrid-memory/react';

export function Chat({ apiUrl }: { apiUrl: string }) {
  const { messages, sendMessage } = useAgentChat({ baseUrl: apiUrl, userId: 'ada' });
  const send = (form: HTMLFormElement) => void sendMessage(new FormData(form).get('text') as string);
  return (
    <form onSubmit={(event) => { event.preventDefault(); send(event.currentTarget); }}>
      {messages.map((message) => <p key={message.id}>{`${message.role}: ${message.content}`}</p>)}
      <input name="text" aria-label="Message" />
    </form>
  );
}
