import { fireEvent, render, screen } from '@testing-library/react';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Chat } from './readme-example.js';
import { Search } from './readme-search.js';
import { found, foundItem, serveSearch } from './search-server.js';
import { API, problem, serve } from './server.js';

test.each(['./readme-example.tsx', './readme-search.tsx'])('the README contains the tested example %s', (file) => {
  const [readme, example] = ['../README.md', file].map((path) => readFileSync(new URL(path, import.meta.url), 'utf8'));
  expect(readme).toContain(`\`\`\`tsx\n${example ?? ''}\`\`\`\n`);
});

test('the example in the README works', async () => {
  const memory = serve({ run: (_, count) => (count === 1 ? problem(500, 'The model failed.') : undefined) });
  render(<Chat api={API} userId="ada" token={() => Promise.resolve('x')} />);
  fireEvent.change(screen.getByRole('textbox'), { target: { value: 'Hello' } });
  fireEvent.click(screen.getByRole('button', { name: 'Send' }));
  expect((await screen.findByRole('alert')).textContent).toBe('The model failed.');
  fireEvent.click(screen.getByRole('button', { name: 'Send again' }));
  await screen.findByText('assistant: You said: Hello');
  screen.getByText('Remembered by redis');
  expect(memory.runs[0]?.headers.get('Authorization')).toBe('Bearer x');
  fireEvent.click(screen.getByRole('button', { name: 'New conversation' }));
  expect(screen.getByRole('log').textContent).toBe('');
});

test('the search in the README works', async () => {
  serveSearch((_, { query }) => (query === 'dog' ? found([foundItem('My dog')]) : found([], ['search'], null)));
  const opened: string[] = [];
  render(<Search api={API} userId="ada" onOpen={(threadId) => opened.push(threadId)} />);
  const field = screen.getByRole('searchbox', { name: 'Search messages' });
  fireEvent.change(field, { target: { value: 'dog' } });
  expect((await screen.findByText('dog')).tagName).toBe('MARK');
  fireEvent.click(screen.getByRole('button', { name: 'A title' }));
  expect(opened).toEqual(['t']);
  fireEvent.change(field, { target: { value: 'cat' } });
  await screen.findByText('Not everything could be searched.');
  expect(screen.queryByText('Nothing found')).toBeNull();
});
