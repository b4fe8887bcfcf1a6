import { fireEvent, render, screen } from '@testing-library/react';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Chat } from './readme-example.js';
import { API, problem, serve } from './server.js';

test('the README contains the tested example', () => {
  const [readme, example] = ['../README.md', './readme-example.tsx'].map((path) =>
    readFileSync(new URL(path, import.meta.url), 'utf8'),
  );
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
