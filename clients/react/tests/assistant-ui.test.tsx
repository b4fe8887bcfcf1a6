import { act, cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Chat } from '../../../examples/assistant-ui/src/chat.js';
import { API, problem, serve, storeExchanges, type FakeMemory } from './server.js';

const token = (): Promise<string> => Promise.resolve('a-token');

/** Opens the page with a new transport and a new chat. */
async function openPage(): Promise<HTMLElement> {
  render(<Chat api={API} userId="ada" threadId="t" token={token} />);
  return screen.findByRole('log');
}

async function send(text: string): Promise<void> {
  const field = screen.getByRole('textbox', { name: 'Message' });
  fireEvent.change(field, { target: { value: text } });
  await act(async () => {
    fireEvent.click(screen.getByRole('button', { name: 'Send' }));
    await Promise.resolve();
  });
  await screen.findByText(`You said: ${text}`);
}

/** Returns the texts of the conversation, without the buttons. */
function shownTexts(log: HTMLElement): string[] {
  return Array.from(log.querySelectorAll('p'), ({ textContent }) => textContent);
}

function storedTexts(memory: FakeMemory): string[] {
  return (memory.threads.get('t') ?? []).map(({ content }) => content);
}

test('a visit starts with the history and continues the thread', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const first = await openPage();
  await waitFor(() => {
    expect(shownTexts(first)).toEqual(['q0', 'a0']);
  });
  await send('one');
  cleanup();
  const second = await openPage();
  await waitFor(() => {
    expect(shownTexts(second)).toEqual(['q0', 'a0', 'one', 'You said: one']);
  });
  await send('two');
  expect(memory.runs.map(({ body }) => [body.thread_id, body.user_id])).toEqual([
    ['t', 'ada'],
    ['t', 'ada'],
  ]);
  expect(memory.runs[0]?.body.metadata).toBeUndefined();
  expect(memory.runs[0]?.headers.get('Authorization')).toBe('Bearer a-token');
});

test('a regenerated answer replaces the previous one', async () => {
  const memory = serve();
  const log = await openPage();
  await send('one');
  fireEvent.click(within(log).getByRole('button', { name: 'Answer again' }));
  await waitFor(() => {
    expect(memory.runs).toHaveLength(2);
  });
  expect(memory.runs[1]?.body).toMatchObject({ prompt: 'one', replaces: memory.runs[0]?.key });
  await waitFor(() => {
    expect(shownTexts(log)).toEqual(storedTexts(memory));
  });
  expect(storedTexts(memory)).toEqual(['one', 'You said: one']);
});

test.each([
  [0, ['edited', 'You said: edited']],
  [1, ['q0', 'a0', 'edited', 'You said: edited']],
])('an edited message replaces its turn and deletes the later turns: %i', async (index, remaining) => {
  const memory = serve();
  storeExchanges(memory, 't', 2);
  const log = await openPage();
  await send('one');
  fireEvent.click(within(log).getAllByRole('button', { name: 'Edit' })[index] ?? log);
  fireEvent.change(await screen.findByRole('textbox', { name: 'Edited message' }), { target: { value: 'edited' } });
  fireEvent.click(screen.getByRole('button', { name: 'Send edited' }));
  await screen.findByText('You said: edited');
  await waitFor(() => {
    expect(storedTexts(memory)).toEqual(remaining);
  });
  expect(shownTexts(log)).toEqual(remaining);
});

test('a failed history and a failed turn show the error', async () => {
  serve({ read: () => problem(403, 'This is not your thread.') });
  render(<Chat api={API} userId="ada" threadId="t" token={token} />);
  expect((await screen.findByRole('alert')).textContent).toContain('This is not your thread.');
  cleanup();
  serve({ run: () => problem(500, 'The model failed.') });
  await openPage();
  fireEvent.change(screen.getByRole('textbox', { name: 'Message' }), { target: { value: 'one' } });
  fireEvent.click(screen.getByRole('button', { name: 'Send' }));
  expect((await screen.findByRole('alert')).textContent).toContain('The model failed.');
});

test('the example has the tested versions', () => {
  const [example, packageManifest] = ['../../examples/assistant-ui/package.json', 'package.json'].map(
    (path) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, string>>,
  );
  for (const [name, version] of Object.entries(example?.['dependencies'] ?? {})) {
    const tested = packageManifest?.['devDependencies']?.[name] ?? 'file:../../clients/react';
    expect([name, version]).toEqual([name, tested]);
  }
});
