import { fireEvent, render, screen } from '@testing-library/react';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { API, serve } from './server.js';
import { Chat } from './short-example.js';

test("the example in the project's README is the one that is tested", () => {
  const [readme, example] = ['../../../README.md', './short-example.tsx'].map((path) =>
    readFileSync(new URL(path, import.meta.url), 'utf8'),
  );
  expect(readme).toContain(`\`\`\`tsx\n${example ?? ''}\`\`\`\n`);
});

test("the example in the project's README works", async () => {
  const memory = serve();
  render(<Chat apiUrl={API} />);
  const field = screen.getByRole('textbox', { name: 'Message' });
  fireEvent.change(field, { target: { value: 'Hello' } });
  fireEvent.submit(field); // it bubbles to the form
  await screen.findByText('assistant: You said: Hello');
  expect(memory.runs).toHaveLength(1);
});
