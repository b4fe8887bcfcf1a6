import { withMemory } from '@hybrid-memory/react/ai-sdk-server';
import { convertToModelMessages, generateId, jsonSchema, stepCountIs, streamText, tool, type UIMessage } from 'ai';
import { memoryOfUser } from '../../memory';
import { model } from '../../model';

interface ChatRequest {
  id: string;
  messages: UIMessage[];
  trigger: 'submit-message' | 'regenerate-message';
  /** The message that was edited or regenerated. */
  messageId?: string;
}

const tools = {
  currentTime: tool({
    description: 'Returns the present time.',
    inputSchema: jsonSchema<object>({ type: 'object', properties: {} }),
    execute: () => ({ time: new Date().toISOString() }),
  }),
};

export async function POST(request: Request) {
  const { id: threadId, messages, trigger, messageId }: ChatRequest = await request.json();
  const { connection, userId, store } = await memoryOfUser();
  const result = streamText({
    // The messages are the history, so the model adds only what is known about the user. The store below stores the turn.
    model: withMemory(model, { ...connection, threadId, userId, include: ['memories'], store: false }),
    messages: await convertToModelMessages(messages),
    tools,
    stopWhen: stepCountIs(5),
    abortSignal: request.signal,
  });
  return result.toUIMessageStreamResponse({
    originalMessages: messages,
    generateMessageId: generateId,
    onFinish: async ({ messages: all, isAborted }) => {
      if (isAborted) return;
      await store.save(threadId, all, { deleteLater: trigger === 'regenerate-message' || messageId !== undefined });
    },
    onError: (error) => (error instanceof Error ? error.message : 'The answer failed.'),
  });
}
