// @vitest-environment node
import type { UIMessage } from 'ai';
import { expect, test } from 'vitest';
import { exchangeIdOf, UIMessageStore } from '../src/ai-sdk-server.js';
import { serveExchanges, storedTexts, type ExchangeMemory } from './exchange-server.js';
import { API } from './server.js';

const STORE = new UIMessageStore({ baseUrl: API, userId: 'ada', retries: 0 });

function message(role: UIMessage['role'], id: string, ...parts: (string | UIMessage['parts'][number])[]): UIMessage {
  return { id, role, parts: parts.map((part) => (typeof part === 'string' ? { type: 'text', text: part } : part)) };
}

const WEATHER = {
  type: 'tool-weather',
  toolCallId: 'c1',
  state: 'output-available',
  input: { city: 'Rome' },
  output: { sky: 'sunny', degrees: 21.5, list: [1, null, true] },
} as unknown as UIMessage['parts'][number];

const CONVERSATION: UIMessage[] = [
  message('system', 's', 'Be kind.'),
  message('user', 'u1', 'What is this?', {
    type: 'file',
    mediaType: 'image/png',
    filename: 'a.png',
    url: 'data:image/png;base64,iVBORw0KGgo=',
  }),
  {
    ...message(
      'assistant',
      'a1',
      { type: 'step-start' },
      { type: 'reasoning', text: 'I look.', providerMetadata: { p: { signature: 'x' } } },
      'Let me see 😀.',
      WEATHER,
      { type: 'step-start' },
      { type: 'text', text: 'It is sunny.', state: 'done' },
      { type: 'source-url', sourceId: 's1', url: 'https://example.com' },
      { type: 'data-chart', data: { points: [1, 2] } },
      {
        type: 'dynamic-tool',
        toolName: 'find',
        toolCallId: 'c2',
        state: 'output-error',
        input: {},
        errorText: 'It failed.',
      },
    ),
    metadata: { model: 'm', tokens: 12 },
  },
  message('user', 'u2', ''),
  message('assistant', 'a2'),
  message('assistant', 'a3', 'One more.'),
  message('user', 'u3', 'An unanswered one.', 'In two parts.'),
];

function changesOf(memory: ExchangeMemory): number[] {
  return [memory.stores.length, memory.replacements.length, memory.deletions.length];
}

test('a conversation is loaded as it was saved', async () => {
  const memory = serveExchanges();
  expect(await STORE.load('t')).toEqual([]);
  await STORE.save('t', CONVERSATION);
  expect(await STORE.load('t')).toEqual(CONVERSATION);
  expect(await STORE.load('t', { limit: 2 })).toEqual(CONVERSATION.slice(3));
  // Every other reader gets the texts and the steps.
  expect(storedTexts(memory)).toEqual([
    ['', ''],
    ['What is this?', 'Let me see 😀.\n\nIt is sunny.'],
    ['', 'One more.'],
    ['An unanswered one.\n\nIn two parts.', ''],
  ]);
  expect(memory.stores.map(({ user_id, metadata }) => [user_id, metadata?.['kind']])).toEqual([
    ['ada', 'step'],
    ['ada', undefined],
    ['ada', undefined],
    ['ada', undefined],
  ]);
  expect(memory.stores[1]?.metadata?.['steps']).toEqual([
    { type: 'tool_call', id: 'c1', name: 'weather', text: '{"city":"Rome"}' },
    { type: 'tool_result', id: 'c1', text: '{"sky":"sunny","degrees":21.5,"list":[1,null,true]}' },
    { type: 'tool_call', id: 'c2', name: 'find', text: '{}' },
    { type: 'tool_result', id: 'c2', text: 'It failed.' },
  ]);
});

test('saving again sends only what has changed, and a repetition is the same exchange', async () => {
  const memory = serveExchanges();
  await STORE.save('t', CONVERSATION);
  await STORE.save('t', CONVERSATION);
  expect(changesOf(memory)).toEqual([4, 0, 0]);
  const answered = [...CONVERSATION, message('assistant', 'a4', 'Now answered.')];
  await STORE.save('t', answered);
  expect(changesOf(memory)).toEqual([4, 1, 0]);
  const next = [message('user', 'u5', 'next'), message('assistant', 'a5', 'Yes.')];
  await Promise.all([STORE.save('t', next), STORE.save('t', next)]);
  expect(new Set(memory.stores.slice(4).map(({ exchange_id }) => exchange_id)).size).toBe(1);
  expect(await STORE.load('t')).toEqual([...answered, ...next]);
  expect(await exchangeIdOf('t', 'u5')).toBe(memory.stores.at(-1)?.exchange_id);
  expect(await exchangeIdOf('other', 'u5')).not.toBe(memory.stores.at(-1)?.exchange_id);
  expect(await exchangeIdOf('t', 'u5')).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

test('a regenerated or edited message replaces its exchange and deletes the later ones', async () => {
  const memory = serveExchanges();
  const turn = (id: string, answer: string, text = id): UIMessage[] => [
    message('user', id, text),
    message('assistant', `${id}-${answer}`, answer),
  ];
  await STORE.save('t', [...turn('u1', 'A'), ...turn('u2', 'B'), ...turn('u3', 'C')]);
  await STORE.save('t', [...turn('u1', 'A'), ...turn('u2', 'B2', 'edited')], { deleteLater: true });
  expect(storedTexts(memory)).toEqual([
    ['u1', 'A'],
    ['edited', 'B2'],
  ]);
  expect(changesOf(memory)).toEqual([3, 1, 1]);
  // Without the option, nothing is deleted: the application may save only its newest messages.
  await STORE.save('t', turn('u1', 'A2'));
  expect(storedTexts(memory)).toEqual([
    ['u1', 'A2'],
    ['edited', 'B2'],
  ]);
  await STORE.save('t', turn('u9', 'X'), { deleteLater: true });
  expect(storedTexts(memory)).toHaveLength(3);
});

test('exchanges of other programs are texts, and saving them again leaves them as they are', async () => {
  const memory = serveExchanges();
  const id = '0a62a1a4-52a2-4b0e-9a6b-0d4b5b6e7f10';
  memory.threads.set(
    't',
    new Map([
      [id, { user_message: 'q', assistant_message: 'a', metadata: { mine: 1, steps: [] } }],
      [id.replace('0a', '0b'), { user_message: '', assistant_message: '', metadata: { kind: 'step' } }],
    ]),
  );
  const loaded = await STORE.load('t');
  expect(loaded).toEqual([message('user', `${id}:user`, 'q'), message('assistant', `${id}:assistant`, 'a')]);
  await STORE.save('t', loaded);
  expect(changesOf(memory)).toEqual([0, 0, 0]);
  await STORE.save('t', [message('user', `${id}:user`, 'q'), message('assistant', 'new', 'b')]);
  expect(changesOf(memory)).toEqual([0, 1, 0]);
  expect(memory.threads.get('t')?.get(id)).toMatchObject({ assistant_message: 'b', metadata: { mine: 1 } });
  expect(await STORE.load('t')).toEqual([message('user', `${id}:user`, 'q'), message('assistant', 'new', 'b')]);
});

test('texts that another program replaced are shown instead of the stored parts', async () => {
  const memory = serveExchanges();
  await STORE.save('t', [message('user', 'u', 'q', WEATHER), message('assistant', 'a', 'b')]);
  const [[id = '', stored] = []] = memory.threads.get('t') ?? [];
  if (stored) memory.threads.get('t')?.set(id, { ...stored, assistant_message: 'corrected' });
  expect(await STORE.load('t')).toEqual([
    message('user', `${id}:user`, 'q'),
    message('assistant', `${id}:assistant`, 'corrected'),
  ]);
});

test('an old message of a long thread is found without reading the whole thread', async () => {
  const memory = serveExchanges();
  const turns = Array.from({ length: 250 }, (_, index) => message('user', `u${String(index)}`, String(index)));
  await STORE.save('t', turns);
  memory.reads.length = 0;
  const edited = message('user', 'u0', 'edited');
  await STORE.save('t', [edited]);
  expect(memory.reads.length).toBeLessThanOrEqual(2);
  expect(await STORE.load('t')).toEqual([edited, ...turns.slice(1)]);
}, 30_000);

test('what does not fit is refused with its limit, and nothing is stored', async () => {
  const memory = serveExchanges();
  const file = (bytes: number): UIMessage['parts'][number] => ({
    type: 'file',
    mediaType: 'image/png',
    url: `data:image/png;base64,${'A'.repeat(bytes)}`,
  });
  const first = message('user', 'u1', 'first');
  await expect(STORE.save('t', [first, message('user', 'u2', file(100_000))])).rejects.toThrow(
    /“u2”.*100,\d{3} bytes.*100,000 bytes.*Store the files elsewhere/,
  );
  await expect(STORE.save('t', [first, message('assistant', 'a', 'x'.repeat(200_001))])).rejects.toThrow(
    /200,001 characters.*200,000 characters/,
  );
  await STORE.save('t', [message('user', 'u3', 'x'.repeat(199_999), file(99_000))]);
  expect(memory.stores).toHaveLength(1);
});

test.each([
  [new Date(0), /a Date at .*data\.value/],
  [new Uint8Array(2), /Uint8Array/],
  [NaN, /NaN/],
  [2 ** 63, /64 bits/],
  [[undefined], /undefined/],
  [1n, /bigint/],
  ['\ud800', /character/],
  [{ '\0': 1 }, /character/],
  [Array.from({ length: 70 }).reduce<unknown>((inner) => [inner], 1), /64 levels/],
])('a value that JSON would change is refused: %#', async (value, error) => {
  const memory = serveExchanges();
  const part = { type: 'data-x', data: { value } } as UIMessage['parts'][number];
  await expect(STORE.save('t', [message('user', 'u1', 'q', part)])).rejects.toThrow(error);
  expect(memory.stores).toEqual([]);
});
