import { act, cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { Chat } from '../examples/assistant-ui/chat.js';
import { API, problem, serve, tell, type Memory } from './server.js';

const EXAMPLE = join(process.cwd(), 'examples/assistant-ui');

/** A visit to the page: with a transport and a chat of its own. */
async function visit(): Promise<HTMLElement> {
  render(<Chat api={API} userId="ada" threadId="t" />);
  return screen.findByRole('log');
}

async function says(text: string): Promise<void> {
  const field = screen.getByRole('textbox', { name: 'Message' });
  fireEvent.change(field, { target: { value: text } });
  await act(async () => {
    fireEvent.click(screen.getByRole('button', { name: 'Send' }));
    await Promise.resolve();
  });
  await screen.findByText(`You said: ${text}`);
}

/** The texts of the conversation, without the buttons. */
function shown(log: HTMLElement): string[] {
  return Array.from(log.querySelectorAll('p'), ({ textContent }) => textContent);
}

function stored(memory: Memory): string[] {
  return (memory.threads.get('t') ?? []).map(({ content }) => content);
}

test('a visit begins with what was said before, and goes on in the same thread', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  const first = await visit();
  await waitFor(() => {
    expect(shown(first)).toEqual(['q0', 'a0']);
  });
  await says('one');
  cleanup();
  const second = await visit();
  await waitFor(() => {
    expect(shown(second)).toEqual(['q0', 'a0', 'one', 'You said: one']);
  });
  await says('two');
  expect(memory.runs.map(({ body }) => [body.thread_id, body.user_id])).toEqual([
    ['t', 'ada'],
    ['t', 'ada'],
  ]);
  expect(memory.runs[0]?.body.metadata).toBeUndefined();
});

test('an answer that is asked for again replaces the one before', async () => {
  const memory = serve();
  const log = await visit();
  await says('one');
  fireEvent.click(within(log).getByRole('button', { name: 'Answer again' }));
  await waitFor(() => {
    expect(memory.runs).toHaveLength(2);
  });
  expect(memory.runs[1]?.body).toMatchObject({ prompt: 'one', replaces: memory.runs[0]?.key });
  await waitFor(() => {
    expect(shown(log)).toEqual(stored(memory));
  });
  expect(stored(memory)).toEqual(['one', 'You said: one']);
});

test.each([
  [0, ['edited', 'You said: edited']],
  [1, ['q0', 'a0', 'edited', 'You said: edited']],
])('an edited message replaces its turn, and what came after it is gone: %i', async (index, left) => {
  const memory = serve();
  tell(memory, 't', 2);
  const log = await visit();
  await says('one');
  fireEvent.click(within(log).getAllByRole('button', { name: 'Edit' })[index] ?? log);
  fireEvent.change(await screen.findByRole('textbox', { name: 'Edited message' }), { target: { value: 'edited' } });
  fireEvent.click(screen.getByRole('button', { name: 'Send edited' }));
  await screen.findByText('You said: edited');
  await waitFor(() => {
    expect(stored(memory)).toEqual(left);
  });
  expect(shown(log)).toEqual(left);
});

test('a history that cannot be loaded, and an answer that does not come, say why', async () => {
  serve({ read: () => problem(403, 'This is not your thread.') });
  render(<Chat api={API} userId="ada" threadId="t" />);
  expect((await screen.findByRole('alert')).textContent).toContain('This is not your thread.');
  cleanup();
  serve({ run: () => problem(500, 'The model failed.') });
  await visit();
  fireEvent.change(screen.getByRole('textbox', { name: 'Message' }), { target: { value: 'one' } });
  fireEvent.click(screen.getByRole('button', { name: 'Send' }));
  expect((await screen.findByRole('alert')).textContent).toContain('The model failed.');
});

test('the example builds', async () => {
  const alias = { '@hybrid-memory/react/ai-sdk': join(process.cwd(), 'src/ai-sdk.ts') };
  const built = await build({
    root: EXAMPLE,
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
    build: { write: false, chunkSizeWarningLimit: 4000 },
  });
  const outputs = Array.isArray(built) ? built.flatMap(({ output }) => output) : 'output' in built ? built.output : [];
  expect(outputs.some(({ fileName }) => fileName.endsWith('.js'))).toBe(true);
}, 60_000);

test('the example names the versions that it is tested with', () => {
  const [example, own] = [join(EXAMPLE, 'package.json'), 'package.json'].map(
    (path) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, string>>,
  );
  for (const [name, version] of Object.entries(example?.['dependencies'] ?? {})) {
    expect([name, version]).toEqual([name, own?.['devDependencies']?.[name] ?? 'file:../..']);
  }
});
