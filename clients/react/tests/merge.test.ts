import { expect, test } from 'vitest';
import type { ChatMessage } from '../src/index.js';
import { keyOf, prepend, mergeMessages } from '../src/merge.js';

function message(name: string, change: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id: `${name}:user`,
    exchangeId: name,
    role: 'user',
    content: name,
    createdAt: '2026-01-01T00:00:00Z',
    status: 'sent',
    ...change,
  };
}

/** Returns one message per letter: `a` to `z` are the server's, in order of time, and capitals are local. */
function messagesNamed(names: string): ChatMessage[] {
  return Array.from(names).map((name) =>
    name === name.toUpperCase()
      ? message(name, { status: 'failed', createdAt: '1970-01-01T00:00:00Z' })
      : message(name, { createdAt: `2026-01-01T00:00:${String(name.charCodeAt(0) - 87)}Z` }),
  );
}

function mergedNames(local: string, server: string): string {
  const merged = mergeMessages(messagesNamed(local), messagesNamed(server), ({ status }) => status === 'failed');
  return merged.map(({ content }) => content).join('');
}

test.each([
  ['', '', ''],
  ['', 'abc', 'abc'],
  ['abc', '', 'abc'],
  ['abc', 'abc', 'abc'],
  ['abc', 'bcd', 'abcd'],
  ['bcd', 'abc', 'abcd'],
  ['abc', 'xyz', 'abcxyz'],
  ['xyz', 'abc', 'abcxyz'],
  ['abX', 'abc', 'abcX'],
  ['aXb', 'abc', 'aXbc'],
  ['X', 'abc', 'abcX'],
  ['Xb', 'abc', 'aXbc'],
  ['XbY', 'abc', 'aXbcY'],
  ['adX', 'abd', 'abdX'],
  ['aXc', 'abc', 'abXc'],
  ['acXY', 'abc', 'abcXY'],
  ['aabbc', 'abc', 'abc'],
  // The server's order takes precedence.
  ['baX', 'abc', 'aXbc'],
])('local %s merged with the server’s %s is %s', (local, server, expected) => {
  expect(mergedNames(local, server)).toBe(expected);
});

test('a merge of random lists has every message once, in the server’s order', () => {
  const names = Array.from('abcdefghXYZ');
  let seed = 2026;
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 2000; round++) {
    const local = messagesNamed(
      names
        .filter(() => random() < 0.6)
        .sort(() => random() - 0.5)
        .join(''),
    );
    const server = messagesNamed(
      Array.from('abcdefgh')
        .slice(Math.floor(random() * 5))
        .filter(() => random() < 0.9)
        .join(''),
    );
    const merged = mergeMessages(local, server, ({ status }) => status === 'failed');
    const keys = merged.map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(keys)).toEqual(new Set([...local, ...server].map(keyOf)));
    const serverKeys = server.map(keyOf);
    expect(keys.filter((key) => serverKeys.includes(key))).toEqual(serverKeys);
    // A second merge changes nothing.
    const again = mergeMessages(merged, server, ({ status }) => status === 'failed');
    expect(again.map(keyOf)).toEqual(keys);
  }
});

test('a local message keeps its id and gets the server’s content and time', () => {
  const local = message('a', { id: 'local', status: 'failed', content: 'typed', metadata: { draft: 1 } });
  const server = message('a', { content: 'stored' });
  for (const merged of [mergeMessages([local], [server], () => true), prepend([local], [server])]) {
    expect(merged).toEqual([{ ...server, id: 'local', metadata: { draft: 1 } }]);
  }
});

test('prepend puts an older page before the messages, each message once', () => {
  const loaded = messagesNamed('cdX');
  const merged = prepend(loaded, messagesNamed('abc'));
  expect(merged.map(({ content }) => content).join('')).toBe('abcdX');
  expect(merged[2]).toBe(loaded[0]);
});
