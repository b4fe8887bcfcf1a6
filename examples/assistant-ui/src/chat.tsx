import {
  ActionBarPrimitive,
  AssistantRuntimeProvider,
  ComposerPrimitive,
  ErrorPrimitive,
  MessagePrimitive,
  ThreadPrimitive,
} from '@assistant-ui/react';
import { useChatRuntime } from '@assistant-ui/react-ai-sdk';
import { HybridMemoryChatTransport, type HybridMemoryUIMessage } from '@hybrid-memory/react/ai-sdk';
import { useEffect, useMemo, useState } from 'react';

interface Props {
  /** The URL of the API with its stage. */
  api: string;
  userId: string;
  /** The id of the conversation's thread; the same at every visit. */
  threadId: string;
  /** Renews the token if it has expired. */
  token: () => Promise<string | null>;
}

/** A conversation that starts with its stored history. */
export function Chat({ api, userId, threadId, token }: Props) {
  // assistant-ui creates a new chat id at every visit, so the transport needs the thread id.
  const transport = useMemo(
    () =>
      new HybridMemoryChatTransport({
        baseUrl: api,
        userId,
        threadId,
        headers: async (): Promise<Record<string, string>> => {
          const value = await token();
          return value === null ? {} : { Authorization: `Bearer ${value}` };
        },
      }),
    [api, userId, threadId, token],
  );
  const [loaded, setLoaded] = useState<{
    from: typeof transport;
    messages?: HybridMemoryUIMessage[];
    error?: string;
  }>();
  useEffect(() => {
    const controller = new AbortController();
    transport.history(threadId, { signal: controller.signal }).then(
      (messages) => {
        setLoaded({ from: transport, messages });
      },
      (error: unknown) => {
        if (!controller.signal.aborted) setLoaded({ from: transport, error: String(error) });
      },
    );
    return () => {
      controller.abort();
    };
  }, [transport, threadId]);

  if (loaded?.from !== transport) return <p>Loading the conversation …</p>;
  if (!loaded.messages) return <p role="alert">{loaded.error}</p>;
  return <Conversation key={threadId} transport={transport} messages={loaded.messages} />;
}

interface ConversationProps {
  transport: HybridMemoryChatTransport;
  messages: HybridMemoryUIMessage[];
}

function Conversation({ transport, messages }: ConversationProps) {
  const runtime = useChatRuntime<HybridMemoryUIMessage>({
    transport,
    messages,
    // Lets an edited message replace its turn.
    toCreateMessage: transport.toCreateMessage,
  });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Viewport role="log" aria-label="Conversation">
          <ThreadPrimitive.Messages>
            {({ message }) => {
              if (message.role === 'assistant') return <AssistantMessage />;
              return message.composer.isEditing ? <UserEditComposer /> : <UserMessage />;
            }}
          </ThreadPrimitive.Messages>
        </ThreadPrimitive.Viewport>
        <ComposerPrimitive.Root>
          <ComposerPrimitive.Input aria-label="Message" />
          <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
        </ComposerPrimitive.Root>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

function UserMessage() {
  return (
    <MessagePrimitive.Root>
      <MessagePrimitive.Parts />
      <ActionBarPrimitive.Root>
        <ActionBarPrimitive.Edit>Edit</ActionBarPrimitive.Edit>
      </ActionBarPrimitive.Root>
    </MessagePrimitive.Root>
  );
}

function AssistantMessage() {
  return (
    <MessagePrimitive.Root>
      <MessagePrimitive.Parts />
      <MessagePrimitive.Error>
        <ErrorPrimitive.Root role="alert">
          <ErrorPrimitive.Message />
        </ErrorPrimitive.Root>
      </MessagePrimitive.Error>
      <ActionBarPrimitive.Root>
        <ActionBarPrimitive.Reload>Answer again</ActionBarPrimitive.Reload>
      </ActionBarPrimitive.Root>
    </MessagePrimitive.Root>
  );
}

function UserEditComposer() {
  return (
    <ComposerPrimitive.Root>
      <ComposerPrimitive.Input aria-label="Edited message" />
      <ComposerPrimitive.Send>Send edited</ComposerPrimitive.Send>
      <ComposerPrimitive.Cancel>Cancel</ComposerPrimitive.Cancel>
    </ComposerPrimitive.Root>
  );
}
