// @vitest-environment node
import * as ai6 from 'ai';
import * as ai5 from 'ai-5';
import { MockLanguageModelV2 } from 'ai-5/test';
import * as ai7 from 'ai-7';
import { MockLanguageModelV4 } from 'ai-7/test';
import { MockLanguageModelV3 } from 'ai/test';
import { HttpResponse } from 'msw';
import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import { AgentChatError, withMemory, type MemoryModel, type MemoryModelOptions } from '../src/ai-sdk-server.js';
import { serveExchanges, storedTexts } from './exchange-server.js';
import { API, problem } from './server.js';

interface Part {
  type: string;
  [name: string]: unknown;
}

interface Message {
  role: string;
  content: unknown;
}

/** What the tests use of each version of the AI SDK. Their types differ. */
interface Sdk {
  generateText(options: object): Promise<{ text: string; steps: unknown[] }>;
  streamText(options: object): { fullStream: AsyncIterable<Part>; consumeStream(): PromiseLike<void> };
  stepCountIs(count: number): unknown;
  jsonSchema(schema: object): unknown;
  wrapLanguageModel(options: object): MemoryModel;
}

interface Mock extends MemoryModel {
  doGenerateCalls: { prompt: Message[]; providerOptions?: object }[];
  doStreamCalls: { prompt: Message[]; providerOptions?: object }[];
}

interface Version {
  name: string;
  sdk: Sdk;
  Model: new (answers: object) => Mock;
  isOld: boolean;
}

const VERSIONS: Version[] = [
  {
    name: 'AI SDK 5',
    sdk: ai5,
    Model: MockLanguageModelV2,
    isOld: true,
  },
  {
    name: 'AI SDK 6',
    sdk: ai6,
    Model: MockLanguageModelV3,
    isOld: false,
  },
  {
    name: 'AI SDK 7',
    sdk: ai7,
    Model: MockLanguageModelV4,
    isOld: false,
  },
];

const OPTIONS: MemoryModelOptions = { baseUrl: API, threadId: 't', userId: 'ada', retries: 0 };
const UUID = '0a62a1a4-52a2-4b0e-9a6b-0d4b5b6e7f10';
const text = (content: string): Part => ({ type: 'text', text: content });
const call = (id: string, input: string): Part => ({ type: 'tool-call', toolCallId: id, toolName: 'weather', input });

test('a wrapped model has the type of its model', () => {
  expectTypeOf(withMemory(new MockLanguageModelV2(), OPTIONS)).toExtend<ai5.LanguageModel>();
  expectTypeOf(withMemory(new MockLanguageModelV3(), OPTIONS)).toExtend<ai6.LanguageModel>();
  expectTypeOf(withMemory(new MockLanguageModelV4(), OPTIONS)).toExtend<ai7.LanguageModel>();
  // @ts-expect-error The gateway's name of a model is not a model.
  expect(() => withMemory('openai/gpt', OPTIONS)).toThrow(TypeError);
});

function streamFrom(chunks: Iterable<Part> | AsyncIterable<Part>): ReadableStream<Part> {
  const iterator = (async function* () {
    yield* chunks;
  })();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

describe.each(VERSIONS)('$name', ({ sdk, Model, isOld }) => {
  const count = (total: number): unknown => (isOld ? total : { total });
  const end = (reason: string): object => ({
    finishReason: isOld ? reason : { unified: reason, raw: reason },
    usage: { inputTokens: count(1), outputTokens: count(1), ...(isOld && { totalTokens: 2 }) },
  });

  /** Returns a model that gives these answers, one for each step, as a result or as a stream. */
  function modelOf(...steps: { content: Part[]; reason?: string }[]): Mock {
    const results = steps.map(({ content, reason = 'stop' }) => ({ content, ...end(reason), warnings: [] }));
    const streams = steps.map(({ content, reason = 'stop' }) => {
      const parts = content.flatMap((part, index): Part[] => {
        if (part.type !== 'text') return [part];
        const id = String(index);
        const [first = '', ...others] = String(part['text']).split(/(?<= )/);
        const deltas = [first, ...others].map((delta) => ({ type: 'text-delta', id, delta }));
        return [{ type: 'text-start', id }, ...deltas, { type: 'text-end', id }];
      });
      return streamOf([{ type: 'stream-start', warnings: [] }, ...parts, { type: 'finish', ...end(reason) }]);
    });
    let [generated, streamed] = [0, 0];
    return new Model({
      doGenerate: () => Promise.resolve(results[generated++]),
      doStream: () => Promise.resolve(streams[streamed++]),
    });
  }

  function streamOf(chunks: Part[]): { stream: ReadableStream<Part> } {
    return { stream: streamFrom(chunks) };
  }

  async function read(stream: AsyncIterable<Part>): Promise<Part[]> {
    const parts: Part[] = [];
    for await (const part of stream) parts.push(part);
    return parts;
  }

  const tools = {
    weather: {
      description: 'The weather.',
      inputSchema: sdk.jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }),
      execute: ({ city }: { city: string }) => Promise.resolve({ city, weather: 'sunny' }),
    },
  };

  test('a generated answer gets the context and is stored', async () => {
    const memory = serveExchanges();
    const model = modelOf({ content: [text('Hello Ada.')] });
    const stored = vi.fn();
    const wrapped = withMemory(model, { ...OPTIONS, metadata: { mood: 'good' }, onStored: stored });
    const { text: answer } = await sdk.generateText({ model: wrapped, system: 'Be kind.', prompt: 'I am Ada.' });
    expect(answer).toBe('Hello Ada.');
    const [system, question] = model.doGenerateCalls[0]?.prompt ?? [];
    expect(system?.content).toMatch(/^Be kind\.\n\nPrevious conversation:\n[^]*User preferences:\ntone: brief$/);
    expect(question?.role).toBe('user');
    expect(memory.loads).toEqual([{ thread_id: 't', user_id: 'ada', include: ['context'] }]);
    expect(memory.stores).toEqual([
      {
        thread_id: 't',
        user_id: 'ada',
        exchange_id: expect.stringMatching(/^.{14}7/) as string,
        user_message: 'I am Ada.',
        assistant_message: 'Hello Ada.',
        document_ids: [],
        metadata: { mood: 'good' },
      },
    ]);
    expect(stored).toHaveBeenCalledWith({
      exchange_id: memory.stores[0]?.exchange_id,
      durability: 'queue',
      cached: true,
    });
  });

  test('a streamed answer is stored before its stream ends', async () => {
    const memory = serveExchanges();
    const model = modelOf({ content: [text('Hello dear Ada.')] });
    const result = sdk.streamText({ model: withMemory(model, OPTIONS), prompt: 'I am Ada.' });
    const parts = await read(result.fullStream);
    expect(parts.filter(({ type }) => type === 'text-delta')).toHaveLength(3);
    expect(storedTexts(memory)).toEqual([['I am Ada.', 'Hello dear Ada.']]);
    expect(model.doStreamCalls[0]?.prompt[0]).toMatchObject({ role: 'system' });
  });

  test.each(['generateText', 'streamText'] as const)(
    '%s with tools stores one exchange with its steps',
    async (name) => {
      const memory = serveExchanges();
      const model = modelOf(
        { content: [text('I look.'), call('c1', '{"city":"Rome"}')], reason: 'tool-calls' },
        { content: [call('c2', '{"city":"Oslo"}')], reason: 'tool-calls' },
        { content: [text('Sunny in both.')] },
      );
      const options = { model: withMemory(model, OPTIONS), tools, prompt: 'How is it?', stopWhen: sdk.stepCountIs(5) };
      if (name === 'generateText') await sdk.generateText(options);
      else await sdk.streamText(options).consumeStream();
      expect(storedTexts(memory)).toEqual([['How is it?', 'I look.\n\nSunny in both.']]);
      expect(memory.stores[0]?.metadata).toEqual({
        steps: [
          { type: 'tool_call', id: 'c1', name: 'weather', text: '{"city":"Rome"}' },
          { type: 'tool_result', id: 'c1', text: '{"city":"Rome","weather":"sunny"}' },
          { type: 'tool_call', id: 'c2', name: 'weather', text: '{"city":"Oslo"}' },
          { type: 'tool_result', id: 'c2', text: '{"city":"Oslo","weather":"sunny"}' },
        ],
      });
      // All steps have the context of the first one.
      expect(memory.loads).toHaveLength(1);
      const calls = name === 'generateText' ? model.doGenerateCalls : model.doStreamCalls;
      const contexts = calls.map(({ prompt }) => prompt[0]?.content);
      expect(contexts).toHaveLength(3);
      expect(new Set(contexts).size).toBe(1);
    },
  );

  test('a turn that waits for a tool of the client is stored when the client has answered', async () => {
    const memory = serveExchanges();
    const { execute: _, ...weather } = tools.weather;
    const model = modelOf(
      { content: [call('c1', '{"city":"Rome"}')], reason: 'tool-calls' },
      { content: [text('Sunny.')] },
    );
    await sdk.streamText({ model: withMemory(model, OPTIONS), tools: { weather }, prompt: 'Rome?' }).consumeStream();
    expect(memory.stores).toEqual([]);
    const messages = [
      { role: 'user', content: 'Rome?' },
      { role: 'assistant', content: [{ ...call('c1', ''), input: { city: 'Rome' } }] },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', toolCallId: 'c1', toolName: 'weather', output: { type: 'text', value: 'sunny' } },
        ],
      },
    ];
    await sdk.streamText({ model: withMemory(model, OPTIONS), tools: { weather }, messages }).consumeStream();
    expect(storedTexts(memory)).toEqual([['Rome?', 'Sunny.']]);
    expect(memory.stores[0]?.metadata?.['steps']).toHaveLength(2);
  });

  test('a tool that the provider runs does not end the turn', async () => {
    const memory = serveExchanges();
    const run = { ...call('c1', '{}'), providerExecuted: true };
    const result = { type: 'tool-result', toolCallId: 'c1', toolName: 'weather', result: 'sunny' };
    const content = [run, { ...result, ...(isOld && { providerExecuted: true }) }, text('Sunny.')];
    await sdk.generateText({ model: withMemory(modelOf({ content }), OPTIONS), tools, prompt: 'Rome?' });
    expect(storedTexts(memory)).toEqual([['Rome?', 'Sunny.']]);
    expect(memory.stores[0]?.metadata?.['steps']).toHaveLength(2);
  });

  test('an aborted, failed or cut stream stores nothing', async () => {
    const memory = serveExchanges();
    const chunks: Part[] = [
      { type: 'stream-start', warnings: [] },
      { type: 'text-start', id: '1' },
      { type: 'text-delta', id: '1', delta: 'Hel' },
    ];
    const finish: Part = { type: 'finish', ...end('stop') };
    const streamed = async (stream: ReadableStream<Part>, abortSignal?: AbortSignal): Promise<void> => {
      const model = new Model({ doStream: () => Promise.resolve({ stream }) });
      const options = { model: withMemory(model, OPTIONS), prompt: 'Hi', abortSignal, onError: () => undefined };
      await read(sdk.streamText(options).fullStream).catch(() => undefined);
    };
    // The provider reports an error.
    await streamed(streamOf([...chunks, { type: 'error', error: new Error('x') }, finish]).stream);
    await streamed(streamOf([...chunks, { type: 'finish', ...end('error') }]).stream);
    // The connection ends too early.
    await streamed(streamOf(chunks).stream);
    await streamed(
      new ReadableStream({
        start(controller) {
          for (const chunk of chunks) controller.enqueue(chunk);
          controller.error(new Error('The connection was reset.'));
        },
      }),
    );
    // A provider that ignores the signal finishes.
    const controller = new AbortController();
    const aborted = async function* (): AsyncGenerator<Part> {
      yield* chunks;
      controller.abort();
      await Promise.resolve();
      yield finish;
    };
    await streamed(streamFrom(aborted()), controller.signal);
    expect(memory.loads).toHaveLength(5);
    expect(memory.stores).toEqual([]);
  });

  test('a failed model stores nothing', async () => {
    const memory = serveExchanges();
    const failing = new Model({ doGenerate: () => Promise.reject(new Error('no')) });
    await expect(
      sdk.generateText({ model: withMemory(failing, OPTIONS), prompt: 'Hi', maxRetries: 0 }),
    ).rejects.toThrow('no');
    expect(memory.stores).toEqual([]);
  });

  test('a failure to store is an error at the end, or goes to onNotStored', async () => {
    const none = () =>
      HttpResponse.json({ exchange_id: UUID, durability: 'none', cached: false, degraded: ['redis'] }, { status: 202 });
    serveExchanges({ store: none });
    const errors: unknown[] = [];
    const onError = ({ error }: { error: unknown }) => errors.push(error);
    const model = () => withMemory(modelOf({ content: [text('Hello.')] }), OPTIONS);
    const parts = await read(sdk.streamText({ model: model(), prompt: 'Hi', onError }).fullStream);
    expect(parts.map(({ type }) => type)).toEqual(expect.arrayContaining(['text-delta', 'error']));
    expect(errors).toEqual([expect.objectContaining({ title: 'Not stored', status: 503 })]);
    await expect(sdk.generateText({ model: model(), prompt: 'Hi' })).rejects.toThrow(/No store accepted/);
    const onNotStored = vi.fn();
    const quiet = withMemory(modelOf({ content: [text('Hello.')] }), { ...OPTIONS, onNotStored });
    expect((await sdk.generateText({ model: quiet, prompt: 'Hi' })).text).toBe('Hello.');
    expect(onNotStored).toHaveBeenCalledWith(expect.any(AgentChatError));
  });

  test('a repeated turn with the same id is one exchange, and temporary failures are retried', async () => {
    const memory = serveExchanges({
      load: (loads) => (loads === 1 ? problem(503, 'later', { 'Retry-After': '0' }) : undefined),
      store: (_, stores) => (stores === 1 ? problem(504, 'later', { 'Retry-After': '0' }) : undefined),
    });
    const options = { ...OPTIONS, exchangeId: UUID, retries: 1 };
    const wrapped = withMemory(modelOf({ content: [text('One.')] }), options);
    await sdk.generateText({ model: wrapped, prompt: 'Hi' });
    await sdk.generateText({ model: withMemory(modelOf({ content: [text('Two.')] }), options), prompt: 'Hi' });
    expect(memory.stores.map(({ exchange_id }) => exchange_id)).toEqual([UUID, UUID, UUID]);
    expect(storedTexts(memory)).toEqual([['Hi', 'One.']]);
    await expect(sdk.generateText({ model: wrapped, prompt: 'And?' })).rejects.toThrow(/exchangeId was used/);
  });

  test('the options of a call take precedence and do not reach the model', async () => {
    const memory = serveExchanges();
    const model = modelOf({ content: [text('Hello.')] });
    const hybridMemory = { threadId: 'other', exchangeId: UUID, metadata: { a: 1 }, documentIds: ['d'] };
    await sdk.generateText({
      model: withMemory(model, { baseUrl: API }),
      prompt: 'Hi',
      providerOptions: { hybridMemory, openai: { user: 'x' } },
    });
    expect(memory.stores).toMatchObject([
      { thread_id: 'other', exchange_id: UUID, metadata: { a: 1 }, document_ids: ['d'] },
    ]);
    expect(model.doGenerateCalls[0]?.providerOptions).toEqual({ openai: { user: 'x' } });
    await expect(sdk.generateText({ model: withMemory(model, { baseUrl: API }), prompt: 'Hi' })).rejects.toThrow(
      /threadId/,
    );
  });

  test('the history comes from the prompt if it has one, and only the rest from the memory', async () => {
    const memory = serveExchanges();
    const model = modelOf({ content: [text('1')] }, { content: [text('2')] });
    const messages = [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'You said one.' },
      { role: 'user', content: 'two' },
    ];
    await sdk.generateText({ model: withMemory(model, { ...OPTIONS, include: ['memories'] }), messages });
    expect(memory.loads[0]).toMatchObject({ include: ['messages', 'preferences', 'memories'], query: 'two' });
    const system = 'User preferences:\ntone: brief\n\nKnown about the user:\nLives in Rome';
    expect(model.doGenerateCalls[0]?.prompt.map(({ role, content }) => (role === 'system' ? content : role))).toEqual([
      system,
      'user',
      'assistant',
      'user',
    ]);
    expect(storedTexts(memory)).toEqual([['two', '1']]);
    await sdk.generateText({ model: withMemory(model, { ...OPTIONS, history: 'memory' }), messages });
    expect(memory.loads[1]?.include).toEqual(['context']);
  });

  test('a turn that replaces an exchange does not see it', async () => {
    const memory = serveExchanges();
    memory.threads.set('t', new Map());
    const ask = async (prompt: string, answer: string, options: Partial<MemoryModelOptions> = {}): Promise<unknown> => {
      const model = modelOf({ content: [text(answer)] });
      await sdk.generateText({ model: withMemory(model, { ...OPTIONS, ...options }), prompt });
      return model.doGenerateCalls[0]?.prompt[0]?.content;
    };
    await ask('one', 'A1');
    await ask('two', 'A2');
    await ask('three', 'A3');
    const replaces = memory.stores[1]?.exchange_id ?? '';
    const context = await ask('TWO', 'B2', { replaces });
    expect(context).toBe('Previous conversation:\nuser: one\nassistant: A1\n\nUser preferences:\ntone: brief');
    expect(storedTexts(memory)).toEqual([
      ['one', 'A1'],
      ['TWO', 'B2'],
      ['three', 'A3'],
    ]);
    // An exchange that was never stored is stored under its id.
    await ask('four', 'A4', { replaces: UUID });
    expect(storedTexts(memory)).toHaveLength(4);
    expect(memory.stores.at(-1)?.exchange_id).toBe(UUID);
  });

  test('an incomplete memory stops the turn before the model runs, unless it is allowed', async () => {
    const memory = serveExchanges();
    memory.degraded = ['redis', 'postgres'];
    const model = modelOf({ content: [text('Hello.')] });
    await expect(sdk.generateText({ model: withMemory(model, OPTIONS), prompt: 'Hi' })).rejects.toThrow(
      /redis, postgres/,
    );
    expect(model.doGenerateCalls).toEqual([]);
    await sdk.generateText({ model: withMemory(model, { ...OPTIONS, allowDegraded: true }), prompt: 'Hi' });
    memory.degraded = ['redis', 'search'];
    await sdk.generateText({ model: withMemory(modelOf({ content: [text('a')] }), OPTIONS), prompt: 'Hi' });
    expect(memory.stores).toHaveLength(2);
  });

  test('metadata that does not fit stops the turn before the model runs, and the error names the limit', async () => {
    serveExchanges();
    const model = modelOf({ content: [text('Hello.')] });
    const wrapped = withMemory(model, { ...OPTIONS, metadata: { page: 'é'.repeat(60_000) } });
    await expect(sdk.generateText({ model: wrapped, prompt: 'Hi' })).rejects.toThrow(/100,000 bytes/);
    const long = sdk.generateText({ model: withMemory(model, OPTIONS), prompt: '😀'.repeat(200_001) });
    await expect(long).rejects.toThrow(/200,001 characters.*200,000 characters/);
    expect(model.doGenerateCalls).toEqual([]);
  });

  test('files of the user are named in the metadata, and without `store` nothing is stored', async () => {
    const memory = serveExchanges();
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'file', data: new Uint8Array([1]), mediaType: 'application/pdf', filename: 'a.pdf' },
        ],
      },
    ];
    await sdk.generateText({ model: withMemory(modelOf({ content: [text('A file.')] }), OPTIONS), messages });
    const files = [{ mediaType: 'application/pdf', filename: 'a.pdf' }];
    expect(memory.stores[0]).toMatchObject({ user_message: 'What is this?', metadata: { ai_sdk: { files } } });
    const reading = withMemory(modelOf({ content: [text('Hello.')] }), { ...OPTIONS, store: false });
    await sdk.generateText({ model: reading, prompt: 'Hi' });
    expect(memory.stores).toHaveLength(1);
  });

  test('the model can have another middleware', async () => {
    const memory = serveExchanges();
    const model = modelOf({ content: [text('Hello.')] });
    const version = { 5: 'v2', 6: 'v3', 7: 'v4' };
    const specificationVersion = Object.values(version).find((each) => each === model.specificationVersion);
    const wrapped = sdk.wrapLanguageModel({ model: withMemory(model, OPTIONS), middleware: { specificationVersion } });
    await sdk.generateText({ model: wrapped, prompt: 'Hi' });
    expect(storedTexts(memory)).toEqual([['Hi', 'Hello.']]);
  });
});
