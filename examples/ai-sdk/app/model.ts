import type { LanguageModelV3, LanguageModelV3StreamPart } from '@ai-sdk/provider';

// Replace this model by one of a provider, for example `openai('gpt-5')` of `@ai-sdk/openai`. This one needs no key: it looks up
// the time if it is asked for it, and otherwise says what it was given.
export const model: LanguageModelV3 = {
  specificationVersion: 'v3',
  provider: 'example',
  modelId: 'example',
  supportedUrls: {},
  doGenerate() {
    throw new Error('This model only streams.');
  },
  async doStream({ prompt }) {
    const system = prompt.flatMap(({ role, content }) => (role === 'system' ? [content] : [])).join('\n');
    const questions = prompt.flatMap(({ role, content }) =>
      role === 'user' ? [content.map((part) => (part.type === 'text' ? part.text : '')).join('')] : [],
    );
    const newest = questions.at(-1) ?? '';
    const isFirstStep = prompt.at(-1)?.role === 'user';
    const text = `I was told: ${questions.join(' | ')}.${system === '' ? '' : ` I know: ${system}.`}`;
    const answer: LanguageModelV3StreamPart[] =
      newest.includes('time') && isFirstStep
        ? [{ type: 'tool-call', toolCallId: crypto.randomUUID(), toolName: 'currentTime', input: '{}' }]
        : [
            { type: 'text-start', id: 'text' },
            ...text.split(/(?<= )/).map((delta) => ({ type: 'text-delta', id: 'text', delta }) as const),
            { type: 'text-end', id: 'text' },
          ];
    const reason = answer[0]?.type === 'tool-call' ? 'tool-calls' : 'stop';
    const usage = {
      inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: undefined, text: undefined, reasoning: undefined },
    };
    const parts: LanguageModelV3StreamPart[] = [
      { type: 'stream-start', warnings: [] },
      ...answer,
      { type: 'finish', finishReason: { unified: reason, raw: reason }, usage },
    ];
    return {
      stream: new ReadableStream({
        start(controller) {
          for (const part of parts) controller.enqueue(part);
          controller.close();
        },
      }),
    };
  },
};
